"""Points and lengths of time."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

from search_service.usecases.fields import invalid

NS_PER_S = 1_000_000_000


def write_time(time: datetime) -> Timestamp:
    """An aware time, to the microsecond."""
    stamp = Timestamp()
    stamp.FromDatetime(time.astimezone(UTC))
    return stamp


def write_optional_time(time: datetime | None) -> Timestamp | None:
    return None if time is None else write_time(time)


def read_time(message: Timestamp, path: str) -> datetime:
    """An aware time in UTC, to the microsecond. Raises InvalidArgument outside of the years 1 to 9999."""
    try:
        time: datetime = message.ToDatetime(UTC)
    except (OverflowError, ValueError):
        raise invalid(path, "is not a point of time between the years 1 and 9999") from None
    return time


def write_seconds(seconds: float) -> Duration | None:
    """A length of time to the nanosecond; unset for 0."""
    return write_nanoseconds(round(seconds * NS_PER_S)) if seconds else None


def write_nanoseconds(nanoseconds: int) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(nanoseconds)
    return duration


def read_seconds(message: Duration, path: str) -> float:
    """0 where it is unset. Raises InvalidArgument for a negative or malformed one."""
    return read_nanoseconds(message, path) / NS_PER_S


def read_nanoseconds(message: Duration, path: str) -> int:
    """As `read_seconds`, exactly."""
    # The parts may be of any size and sign on the wire; only equal signs and nanos below a second make a duration.
    if message.seconds < 0 or message.nanos < 0:
        raise invalid(path, "must not be negative")
    if message.nanos >= NS_PER_S or message.seconds > 315_576_000_000:
        raise invalid(path, "is not a duration")
    return message.seconds * NS_PER_S + message.nanos
