"""The errors of the storage port, worded once for every implementation."""

from __future__ import annotations

from collections.abc import Sequence

from search_service.domain.errors import AlreadyExists, Conflict, NotFound, PreconditionFailed, Reason, Unavailable

SHOWN = 5
"""How many of the objects in the way a message names."""


def model_not_found(model_id: str) -> NotFound:
    """No model has that id."""
    return NotFound(f"there is no model {model_id!r}", Reason.MODEL_NOT_FOUND)


def evaluation_sample_not_found(sample_id: str) -> NotFound:
    """No evaluation sample has that id."""
    return NotFound(
        f"there is no evaluation sample {sample_id!r}, or no longer: store the rows again",
        Reason.EVALUATION_SAMPLE_NOT_FOUND,
    )


def model_name_not_found(name: str, version: str) -> NotFound:
    """No model has that name and version."""
    return NotFound(f"there is no model {_titled(name, version)}", Reason.MODEL_NOT_FOUND)


def dataset_not_found(dataset_id: str) -> NotFound:
    """No dataset has that id."""
    return NotFound(f"there is no dataset {dataset_id!r}", Reason.DATASET_NOT_FOUND)


def dataset_name_not_found(name: str, version: str) -> NotFound:
    """No dataset has that name and version."""
    return NotFound(f"there is no dataset {_titled(name, version)}", Reason.DATASET_NOT_FOUND)


def space_not_found(digest: str) -> NotFound:
    """No feature space has that digest."""
    return NotFound(f"there is no feature space {digest!r}: register it first", Reason.FEATURE_SPACE_NOT_FOUND)


def schema_not_found(schema_digest: str, featuriser: str) -> NotFound:
    """No feature space is registered for that schema and featuriser."""
    return NotFound(
        f"no feature space is registered for schema {schema_digest!r} and featuriser {featuriser!r}",
        Reason.FEATURE_SPACE_NOT_FOUND,
    )


def name_taken(kind: str, name: str, version: str) -> AlreadyExists:
    """Another object of the kind holds that name and version."""
    return AlreadyExists(
        f"{kind} {_titled(name, version)} exists already: choose another name or version", Reason.NAME_TAKEN
    )


def space_taken(digest: str) -> AlreadyExists:
    """The space, or its schema with that featuriser, is registered."""
    return AlreadyExists(
        f"feature space {digest!r}, or one for the same schema and featuriser, is registered already",
        Reason.NAME_TAKEN,
    )


def experiment_not_found(reference: str) -> NotFound:
    """No experiment has that id or digest."""
    return NotFound(f"there is no experiment {reference!r}", Reason.EXPERIMENT_NOT_FOUND)


def experiment_known(digest: str) -> AlreadyExists:
    """An experiment has that digest."""
    return AlreadyExists(f"the experiment of digest {digest!r} exists already", Reason.NAME_TAKEN)


def request_id_used(request_id: str) -> AlreadyExists:
    """The request id is in the log."""
    return AlreadyExists(
        f"request_id {request_id!r} was used before: use a new one for a new request", Reason.REQUEST_ID_REUSED
    )


def revision_conflict(kind: str, id: str, expected: int, found: int) -> Conflict:
    """The object changed since it was read."""
    return Conflict(
        f"{kind} {id!r} has revision {found}, not {expected}: it changed since it was read; read it again and retry",
        Reason.REVISION_CONFLICT,
    )


def dataset_in_use(dataset_id: str, model_ids: Sequence[str], count: int) -> PreconditionFailed:
    """Models refer to the dataset; `model_ids` are some of the `count`."""
    return PreconditionFailed(
        f"dataset {dataset_id!r} is the source of {_listed('model', model_ids, count)}: delete them first",
        Reason.STILL_REFERENCED,
    )


def space_in_use(digest: str, dataset_ids: Sequence[str], count: int) -> PreconditionFailed:
    """Datasets have signatures in the space; `dataset_ids` are some of the `count`."""
    return PreconditionFailed(
        f"feature space {digest!r} holds the signature of {_listed('dataset', dataset_ids, count)}: delete them first",
        Reason.STILL_REFERENCED,
    )


def job_not_found(job_id: str) -> NotFound:
    """No job has that id."""
    return NotFound(f"there is no job {job_id!r}", Reason.JOB_NOT_FOUND)


def agent_not_found(named: str) -> NotFound:
    """No agent has that id or name."""
    return NotFound(f"there is no agent {named!r}: it has to register first", Reason.AGENT_NOT_FOUND)


def profile_not_found(profile_id: str) -> NotFound:
    """No profile has that id."""
    return NotFound(f"there is no profile {profile_id!r}", Reason.PROFILE_NOT_FOUND)


def token_not_found(named: str) -> NotFound:
    """No token has that id or name."""
    return NotFound(f"there is no token {named!r}", Reason.TOKEN_NOT_FOUND)


def only_name_taken(kind: str, name: str) -> AlreadyExists:
    """Another object of the kind, which has no versions, holds that name."""
    return AlreadyExists(f"{kind} {name!r} exists already: choose another name", Reason.NAME_TAKEN)


def writer_busy(waited_s: float) -> Unavailable:
    """Another transaction held the write lock too long."""
    return Unavailable(
        f"the database was busy with another write for {waited_s:g} s: retry with backoff", Reason.STORAGE_UNAVAILABLE
    )


def _titled(name: str, version: str) -> str:
    return repr(f"{name}@{version}" if version else name)


def _listed(kind: str, ids: Sequence[str], count: int) -> str:
    shown = ", ".join(repr(key) for key in ids[:SHOWN])
    more = f" and {count - SHOWN} more" if count > SHOWN else ""
    return f"{count} {kind}{'' if count == 1 else 's'} ({shown}{more})"
