"""Checks of the fields that people fill in, and references to named objects."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from search_service.domain.catalog import Metric
from search_service.domain.errors import Conflict, InvalidArgument, Reason

LONGEST_NAME = 200
LONGEST_TEXT = 20_000
MOST_TAGS = 100

_DIGEST = re.compile(r"[0-9a-f]{64}")
_UNFIT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f@]")


def invalid(path: str, problem: str, reason: Reason = Reason.INVALID_FIELD) -> InvalidArgument:
    """The error for one wrong field."""
    return InvalidArgument(f"{path}: {problem}", reason, [(path, problem)])


def check_name(path: str, value: str) -> str:
    """A name or version: 1 to 200 characters, no "@" (it parts name and version), no control characters."""
    if not value.strip():
        raise invalid(path, "must not be empty")
    if value != value.strip():
        raise invalid(path, "must not begin or end with a space")
    if len(value) > LONGEST_NAME:
        raise invalid(path, f"at most {LONGEST_NAME} characters, not {len(value)}")
    if _UNFIT_IN_A_NAME.search(value):
        raise invalid(path, 'must not hold "@" or control characters')
    return value


def check_text(path: str, value: str, longest: int = LONGEST_TEXT) -> str:
    """Free text within a length, without the NUL character, which databases refuse."""
    if len(value) > longest:
        raise invalid(path, f"at most {longest} characters, not {len(value)}")
    if "\x00" in value:
        raise invalid(path, "must not hold the NUL character")
    return value


def check_tags(path: str, values: Iterable[str]) -> tuple[str, ...]:
    """Tags, sorted and distinct."""
    tags = sorted(set(values))
    if len(tags) > MOST_TAGS:
        raise invalid(path, f"at most {MOST_TAGS} tags, not {len(tags)}")
    for tag in tags:
        check_text(path, tag, LONGEST_NAME)
        if not tag.strip():
            raise invalid(path, "a tag must not be empty")
    return tuple(tags)


def check_metrics(path: str, values: Iterable[Metric]) -> tuple[Metric, ...]:
    """Metrics with distinct names and finite values."""
    metrics = tuple(values)
    for metric in metrics:
        check_name(f"{path}.name", metric.name)
        check_text(f"{path}.dataset", metric.dataset, LONGEST_NAME)
        if not math.isfinite(metric.value):
            raise invalid(f"{path}.value", f"{metric.name} must be a finite number")
    if len({(metric.name, metric.dataset) for metric in metrics}) != len(metrics):
        raise invalid(path, "a metric stands twice for the same data")
    return metrics


def check_digest(path: str, value: str) -> str:
    """A SHA-256 as 64 lower-case hexadecimal digits; upper case is accepted and lowered."""
    lowered = value.lower()
    if not _DIGEST.fullmatch(lowered):
        raise invalid(path, "must be a SHA-256 of 64 hexadecimal digits")
    return lowered


def check_mask(paths: Sequence[str], known: Sequence[str]) -> frozenset[str]:
    """The fields of an update mask. Raises InvalidArgument for a path that cannot be changed."""
    for path in paths:
        if path not in known:
            raise invalid("update_mask", f"{path!r} cannot be changed; these can: {', '.join(known)}")
    return frozenset(paths)


def check_revision(kind: str, name: str, expected: int, found: int) -> None:
    """Raises Conflict unless the caller read this revision, or gave none (0)."""
    if expected < 0:
        raise invalid("revision", "must not be negative")
    if expected not in (0, found):
        raise Conflict(
            f"{kind} {name!r} has revision {found}, not {expected}: it changed since it was read; "
            "read it again and retry",
            Reason.REVISION_CONFLICT,
        )


@dataclass(frozen=True, slots=True)
class Reference:
    """Which object: by id, or by name and version where an empty version means the newest."""

    id: str = ""
    name: str = ""
    version: str = ""

    @classmethod
    def named(cls, text: str, path: str = "name") -> Reference:
        """Reads "name" or "name@version". Raises InvalidArgument."""
        name, at, version = text.partition("@")
        if not name or (at and not version):
            raise invalid(path, f'must read "name" or "name@version", not {text!r}')
        return cls(name=name, version=version)
