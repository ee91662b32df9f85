"""Calls that are safe to repeat: a request_id stands for one request and one answer, for a day."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from search_service.domain.errors import AlreadyExists, Conflict, DomainError, InvalidArgument, Reason
from search_service.domain.ports import Clock, Database, RequestRecord, UnitOfWork

T = TypeVar("T")

REMEMBERED_FOR = timedelta(days=1)
LONGEST_REQUEST_ID = 200
_ATTEMPTS = 5


class Collaborators(Protocol):
    """What a call needs to run in a unit of work. `committed` is told after each commit."""

    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def committed(self) -> Callable[[], None]: ...


@dataclass(frozen=True, slots=True)
class Once:
    """A call's identity: who says it is the same (`request_id`, may be empty), and what it asks."""

    method: str
    request_id: str
    fingerprint: str

    @classmethod
    def of(cls, method: str, request_id: str, content: object) -> Once:
        """Raises InvalidArgument for a request_id that is too long."""
        if len(request_id) > LONGEST_REQUEST_ID:
            problem = f"at most {LONGEST_REQUEST_ID} characters, not {len(request_id)}"
            raise InvalidArgument(f"request_id: {problem}", fields=[("request_id", problem)])
        return cls(method, request_id, fingerprint(method, content) if request_id else "")


def fingerprint(*values: object) -> str:
    """A digest of nested dataclasses, tuples, mappings and plain values: equal values give equal digests, anywhere."""
    digest = hashlib.sha256()
    for value in values:
        _feed(digest, value)
    return digest.hexdigest()


def _feed(digest: Any, value: object) -> None:
    if is_dataclass(value) and not isinstance(value, type):
        parts: list[object] = [getattr(value, field.name) for field in fields(value)]
        _feed(digest, type(value).__name__)
        _feed(digest, tuple(parts))
    elif isinstance(value, Mapping):
        _feed(digest, type(value).__name__)
        _feed(digest, tuple(sorted(value.items())))
    elif isinstance(value, (tuple, list)):
        digest.update(b"(%d:" % len(value))
        for part in value:
            _feed(digest, part)
    else:
        data = value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
        digest.update(f"{type(value).__name__}:{len(data)}:".encode())
        digest.update(data)


def run_once(
    collaborators: Collaborators,
    once: Once,
    act: Callable[[UnitOfWork], tuple[str, T]],
    recall: Callable[[UnitOfWork, str], T],
    *,
    retry_on: tuple[type[DomainError], ...] = (),
) -> T:
    """Runs `act` in one unit of work, unless a call of the same identity has run: then answers what it answered.

    `act` returns the id of its result with the result; `recall` reads the result of that id as it is now. Of two
    concurrent calls with one request_id the one that commits first acts; the other's error gives way to that answer.
    Errors of the types `retry_on`, which a concurrent commit may cause, are tried again a few times.

    Raises:
        AlreadyExists: REQUEST_ID_REUSED, the id stands for another request.
    """
    for attempt in range(_ATTEMPTS):
        try:
            with collaborators.database.begin() as unit:
                record = find_record(unit, once)
                if record is not None:
                    return recall(unit, record.result_id)
                result_id, result = act(unit)
                if once.request_id:
                    record = RequestRecord(once.method, once.fingerprint, result_id)
                    unit.requests.add(once.request_id, record, collaborators.clock())
                unit.commit()
        except DomainError as error:
            if not isinstance(error, retry_on) or attempt == _ATTEMPTS - 1:
                return recall_instead(collaborators, once, recall, error)
            continue
        collaborators.committed()
        return result
    raise AssertionError("the last attempt returns or raises")  # pragma: no cover


def recall_instead(
    collaborators: Collaborators, once: Once, recall: Callable[[UnitOfWork, str], T], error: DomainError
) -> T:
    """The answer of a concurrent call of the same identity, whose success is what this one failed on; else raises."""
    if once.request_id and error.reason is not Reason.STORAGE_UNAVAILABLE:
        with collaborators.database.begin() as unit:
            record = find_record(unit, once)
            if record is not None:
                return recall(unit, record.result_id)
    raise error


def find_record(unit: UnitOfWork, once: Once) -> RequestRecord | None:
    """What the call answered before, or None. Raises AlreadyExists (REQUEST_ID_REUSED) for another request."""
    record = unit.requests.get(once.request_id) if once.request_id else None
    if record is not None and (record.method, record.request_digest) != (once.method, once.fingerprint):
        raise AlreadyExists(
            f"request_id {once.request_id!r} was used before for another request: use a new one for each request",
            Reason.REQUEST_ID_REUSED,
        )
    return record


def forget_old_requests(collaborators: Collaborators) -> int:
    """Forgets the answers older than a day and says how many."""
    with collaborators.database.begin() as unit:
        count = unit.requests.forget_before(collaborators.clock() - REMEMBERED_FOR)
        unit.commit()
    return count


CHANGED_MEANWHILE = (Conflict,)
"""For `retry_on`, where the caller gave no revision: whatever is there is to be changed."""
