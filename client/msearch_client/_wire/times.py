"""Times and durations of messages."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp


def time_from_proto(time: Timestamp) -> datetime:
    """An aware time in UTC."""
    return time.ToDatetime(tzinfo=UTC)


def time_to_proto(time: datetime) -> Timestamp:
    """The time; one without a zone is taken for this machine's."""
    message = Timestamp()
    message.FromDatetime(time.astimezone(UTC))
    return message


def seconds_from_proto(duration: Duration) -> float | None:
    """Seconds, or None where the duration is unset or 0."""
    return duration.ToNanoseconds() / 1e9 or None


def seconds_to_proto(seconds: float) -> Duration:
    """A duration, to the nanosecond."""
    message = Duration()
    message.FromNanoseconds(round(seconds * 1e9))
    return message
