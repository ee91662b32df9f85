"""What can go wrong here."""

from __future__ import annotations


class AnalysisError(Exception):
    """An analysis, a picture or a report cannot be made. `hint` says what to do about it, or is empty."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
