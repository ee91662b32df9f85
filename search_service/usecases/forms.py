"""Use cases of the files that variants were measured as: an agent has one kept, whoever deploys it fetches it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from search_service.domain import jobs
from search_service.domain.access import Caller
from search_service.domain.errors import NotFound, Reason
from search_service.domain.jobs import Job, Lease
from search_service.domain.ports import UnitOfWork
from search_service.usecases.evidence import Evidence
from search_service.usecases.fields import invalid
from search_service.usecases.leases import check_owner
from search_service.usecases.profiling import Profiling
from search_service.usecases.uploads import Upload, check_upload, take_in


def keep_form(evidence: Evidence, caller: Caller | None, lease: Lease, upload: Upload, chunks: Iterable[bytes]) -> bool:
    """Keeps what the agent made of the leased job's model, and says whether it was not there before.

    The bytes are read after the lease was checked; not at all where they are kept already.

    Raises:
        InvalidArgument: the job has no model, or DIGEST_MISMATCH.
        NotFound: JOB_NOT_FOUND, MODEL_NOT_FOUND.
        LeaseLost, PermissionDenied: as `leases.renew_lease`.
        ResourceExhausted: TOO_LARGE.
    """
    announced = check_upload(upload, evidence.registry.largest_artifact_bytes)
    with evidence.database.begin() as unit:
        job = _held(unit, caller, lease)
        if unit.forms.has(job.spec.model_id, announced.digest):
            return False
    with take_in(evidence.registry, announced, chunks) as arrived, evidence.database.begin() as unit:
        job = _held(unit, caller, lease)
        arrived.publish(unit)
        unit.forms.add(job.spec.model_id, announced.digest, announced.size_bytes)
        unit.commit()
    return True


def open_form(profiling: Profiling, profile_id: str) -> Iterator[bytes]:
    """The bytes that the profile was measured as, in chunks of at most 1 MiB.

    Raises:
        NotFound: PROFILE_NOT_FOUND, or ARTIFACT_NOT_FOUND: it was measured as the model's artifact, or what the agent
            made was not kept.
    """
    with profiling.database.begin() as unit:
        form = unit.profiles.get(profile_id).form
    if form is None or not form.kept:
        raise NotFound(
            f"no file is kept that profile {profile_id} was measured as: it is the model's artifact, or the agent kept "
            "none (too large, or an older agent); measure it again",
            Reason.ARTIFACT_NOT_FOUND,
        )
    return profiling.blobs.read(form.digest)


def _held(unit: UnitOfWork, caller: Caller | None, lease: Lease) -> Job:
    job = unit.jobs.get(lease.job_id)
    jobs.check_held(job, lease)
    check_owner(unit, caller, job)
    if not job.spec.model_id:
        raise invalid("lease.job_id", f"job {job.id} has no model that a file could be made of")
    return job
