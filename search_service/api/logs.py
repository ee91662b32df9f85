"""How the service logs: structlog to standard error, one event a line."""

from __future__ import annotations

import logging
import sys
from contextlib import suppress

import structlog


class _StandardError:
    """Standard error; but a line that cannot be written, because the disk is full say, is lost and fails nothing."""

    def write(self, text: str) -> None:
        with suppress(OSError):
            sys.stderr.write(text)

    def flush(self) -> None:
        with suppress(OSError):
            sys.stderr.flush()


def configure_logs(format: str, level: str = "info") -> None:
    """`format` is "json" for machines or "console" for people; `level` is the least level that is written."""
    renderers: list[structlog.typing.Processor] = (
        [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
        if format == "json"
        else [structlog.dev.ConsoleRenderer()]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *renderers,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(file=_StandardError()),  # type: ignore[arg-type]  # all it calls
        cache_logger_on_first_use=True,
    )
