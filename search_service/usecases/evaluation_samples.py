"""Use cases of evaluation samples: store, look at, delete, and sweep away what has expired."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from msearch_sketch.signature import Signature
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import FeatureSpace
from search_service.domain.access import Caller
from search_service.domain.catalog import Page
from search_service.domain.errors import InvalidArgument, NotFound, Reason, ResourceExhausted
from search_service.domain.evaluation import EvaluationSample, SampleKind
from search_service.domain.ports import UnitOfWork
from search_service.usecases.datasets import resolve_dataset
from search_service.usecases.evidence import (
    Evidence,
    NewSample,
    SpaceLookup,
    check_may_publish,
    seen_sample,
)
from search_service.usecases.fields import LONGEST_NAME, Reference, check_digest, check_text, invalid
from search_service.usecases.once import fingerprint
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.points import Points
from search_service.usecases.sample_jobs import cancel_evaluations
from search_service.usecases.uploads import Upload, drop_unused_blob, store_bytes, take_in

LARGEST_SAMPLE_BYTES = 64 << 20
DEFAULT_KEEP = timedelta(hours=24)
LONGEST_KEEP = timedelta(days=30)
_EXPIRED_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class StoredSample:
    """A sample with the signature of its rows."""

    sample: EvaluationSample
    signature: Signature


def put_sample(
    evidence: Evidence, caller: Caller, new: NewSample, dataset: Reference | None, chunks: Iterable[bytes]
) -> StoredSample:
    """Stores a sample, unless the caller has stored these very bytes for the same purpose, and gives it.

    A target that was there already is kept at least as long as is asked now. `chunks` are read after everything else
    has been checked, and not at all where the sample is there.

    Raises:
        InvalidArgument: a field is wrong, DIGEST_MISMATCH for other bytes than announced, or INVALID_DATA for bytes
            that are not what the header says.
        NotFound: DATASET_NOT_FOUND, FEATURE_SPACE_NOT_FOUND.
        PermissionDenied: a validation sample needs the role publisher.
        ResourceExhausted: TOO_LARGE; QUOTA_EXCEEDED, the token's samples would take more than is kept for one.
    """
    new = _check(caller, new, dataset)
    registry, now = evidence.registry, evidence.registry.clock()
    expires_at = None if new.kind is SampleKind.VALIDATION else now + timedelta(seconds=new.keep_s)
    with registry.database.begin() as unit:
        dataset_id = "" if dataset is None else resolve_dataset(unit, dataset).id
        known = unit.evaluation_samples.find(new.kind, new.digest, dataset_id, caller.token_id)
    if known is not None and _is_whole(evidence, known, new):
        return _keep(evidence, known, expires_at)
    with registry.database.begin() as unit:
        _check_quota(evidence, unit, caller, new)

    reader, hashed = evidence.new_reader(), hashlib.sha256()

    def see(chunk: bytes) -> None:
        hashed.update(chunk)
        reader.write(chunk)

    with take_in(registry, Upload(new.digest, new.size_bytes), chunks, see) as arrived, ExitStack() as stack:
        if hashed.hexdigest() != new.digest:
            problem = f"the bytes that arrived have the digest {hashed.hexdigest()}"
            raise InvalidArgument(f"digest: {problem}", Reason.DIGEST_MISMATCH, [("digest", problem)])
        spaces = SpaceLookup(registry.database)
        read = reader.finish(new, spaces)
        spaces.get(read.space.digest)  # where no source is registered there is nothing to compare with
        points = read.points.encode()
        stored_points = stack.enter_context(store_bytes(registry, points))
        sample = EvaluationSample(
            id=registry.new_id("smp"),
            kind=new.kind,
            digest=new.digest,
            size_bytes=new.size_bytes,
            row_count=len(read.points),
            has_rows=new.rows,
            points_digest=hashlib.sha256(points).hexdigest(),
            space_digest=read.space.digest,
            created_at=now,
            dataset_id=dataset_id,
            label_column=new.label_column,
            classes=read.classes,
            token_id=caller.token_id,
            expires_at=expires_at,
        )
        signature = sketch_points(read.points, read.classes, read.space)
        with registry.database.begin() as unit:
            _check_quota(evidence, unit, caller, new)  # others may have been stored while this one arrived
            if new.rows:
                arrived.publish(unit)
            stored_points.publish(unit)
            unit.evaluation_samples.add(sample)
            unit.commit()
    return StoredSample(sample, signature)


def get_sample(evidence: Evidence, caller: Caller, sample_id: str) -> EvaluationSample:
    """Raises NotFound (EVALUATION_SAMPLE_NOT_FOUND)."""
    with evidence.database.begin() as unit:
        return seen_sample(unit, sample_id, caller.token_id, evidence.registry.clock())


def list_samples(
    evidence: Evidence, caller: Caller, kind: SampleKind | None, dataset_id: str, *, size: int, token: str
) -> tuple[Page[EvaluationSample], str]:
    """A page of the samples that the caller may see, newest first, and the token of the next."""
    bound_to = fingerprint("ListEvaluationSamples", kind, dataset_id, caller.token_id)
    after = decode_token(bound_to, token, parts=1)
    count = page_size(size, default=50)
    with evidence.database.begin() as unit:
        page = unit.evaluation_samples.page(
            kind, dataset_id, caller.token_id, evidence.registry.clock(), after=after, size=count
        )
    return page, encode_token(bound_to, page.after)


def delete_sample(evidence: Evidence, caller: Caller, sample_id: str) -> None:
    """Deletes a sample with the outputs on it: one's own target, or, as a publisher, a validation sample.

    Raises:
        NotFound: EVALUATION_SAMPLE_NOT_FOUND.
        PermissionDenied: a validation sample needs the role publisher.
    """
    sample = get_sample(evidence, caller, sample_id)
    if sample.kind is SampleKind.VALIDATION:
        check_may_publish(caller, "deleting a validation sample")
    _delete(evidence, sample)


def sweep_samples(evidence: Evidence) -> int:
    """Deletes the samples that have expired, with the outputs on them, and says how many. Any replica may do it."""
    with evidence.database.begin() as unit:
        due = unit.evaluation_samples.expired(evidence.registry.clock(), _EXPIRED_AT_ONCE)
        samples = unit.evaluation_samples.get_many(due)
    return sum(_delete(evidence, sample) for sample in samples.values())


def load_points(evidence: Evidence, sample: EvaluationSample) -> Points:
    """The points of the sample's rows. Raises NotFound where it was deleted meanwhile."""
    return Points.decode(evidence.registry.blobs.read(sample.points_digest))


def sketch_points(points: Points, classes: tuple[str, ...], space: FeatureSpace) -> Signature:
    """The signature of the rows that could be read."""
    sketcher = Sketcher(space)
    sketcher.add(points.ticks[points.readable], points.labels[points.readable])
    return sketcher.signature(classes)


def _is_whole(evidence: Evidence, sample: EvaluationSample, new: NewSample) -> bool:
    """Whether the stored sample can stand for the new one: it has not expired, and nothing of it is missing."""
    if sample.expires_at is not None and sample.expires_at <= evidence.registry.clock():
        return False
    asked = (new.rows, new.label_column)
    blobs = [sample.points_digest, *([sample.digest] if sample.has_rows else [])]
    return (sample.has_rows, sample.label_column) == asked and all(map(evidence.registry.blobs.exists, blobs))


def _keep(evidence: Evidence, sample: EvaluationSample, expires_at: datetime | None) -> StoredSample:
    """The sample that is there, to be deleted at that time or later."""
    if expires_at is not None and sample.expires_at is not None and sample.expires_at < expires_at:
        with evidence.database.begin() as unit:
            unit.evaluation_samples.extend(sample.id, expires_at)
            unit.commit()
        sample = replace(sample, expires_at=expires_at)
    space = SpaceLookup(evidence.database).get(sample.space_digest)
    return StoredSample(sample, sketch_points(load_points(evidence, sample), sample.classes, space))


def _delete(evidence: Evidence, sample: EvaluationSample) -> bool:
    """Whether it was there."""
    with evidence.database.begin() as unit:
        outputs = unit.evaluations.outputs_on(sample.id)
        try:
            unit.evaluation_samples.delete(sample.id)
        except NotFound:
            return False  # another replica was faster
        unit.commit()
    cancel_evaluations(evidence.profiling, sample.id)
    for digest in (sample.digest, sample.points_digest, *outputs):
        drop_unused_blob(evidence.registry, digest)
    return True


def _check_quota(evidence: Evidence, unit: UnitOfWork, caller: Caller, new: NewSample) -> None:
    """Raises ResourceExhausted (QUOTA_EXCEEDED). Uploads that end in the same moment may exceed it by their size."""
    most = evidence.sample_quota_bytes
    held = unit.evaluation_samples.stored_bytes(caller.token_id, evidence.registry.clock())
    if most and held + new.size_bytes > most:
        whose = f"of the token {caller.name!r}" if caller.token_id else "of callers without a token"
        raise ResourceExhausted(
            f"the evaluation samples {whose} take {held} bytes; {new.size_bytes} more would exceed the {most} that are "
            "kept for one token: delete what is not needed any longer, or store fewer rows",
            Reason.QUOTA_EXCEEDED,
        )


def _check(caller: Caller, new: NewSample, dataset: Reference | None) -> NewSample:
    digest = check_digest("digest", new.digest)
    if new.size_bytes < 1:
        raise invalid("size_bytes", f"must be above 0, not {new.size_bytes}")
    if new.size_bytes > LARGEST_SAMPLE_BYTES:
        raise ResourceExhausted(
            f"the sample has {new.size_bytes} bytes, at most {LARGEST_SAMPLE_BYTES} are accepted: take fewer rows, "
            "some hundreds are enough",
            Reason.TOO_LARGE,
        )
    check_text("label_column", new.label_column, LONGEST_NAME)
    check_text("column", new.column, LONGEST_NAME)
    if new.kind is SampleKind.VALIDATION:
        check_may_publish(caller, "storing a validation sample")
        if dataset is None:
            raise invalid("dataset", "must say which dataset the validation sample belongs to")
        if not new.label_column:
            raise invalid("label_column", "must name the column with the classes of a validation sample")
        return replace(new, digest=digest)
    if dataset is not None:
        raise invalid("dataset", "is for validation samples only: a target belongs to nothing")
    if new.label_column:
        raise invalid("label_column", "is for validation samples only: a target has no labels to the service")
    if new.keep_s > LONGEST_KEEP.total_seconds():
        raise invalid("keep", f"at most {LONGEST_KEEP.days} days")
    return replace(new, digest=digest, keep_s=new.keep_s or DEFAULT_KEEP.total_seconds())
