"""What can be wrong with evidence."""

from __future__ import annotations


class AccuracyError(Exception):
    """Evidence or a stored predictor is unusable; the message names the thing and what to do."""


class LabelSpaceError(AccuracyError):
    """Candidates have no class in common."""
