"""What can go wrong between a file and its signature. Every message says what to do."""

from __future__ import annotations


class SketchError(ValueError):
    """Base of all errors that msearch_sketch raises on bad input."""


class DatasetError(SketchError):
    """The data cannot be read, is empty, or does not hold what it should."""


class SpaceError(SketchError):
    """A feature space document is malformed, or does not fit the data."""


class SignatureError(SketchError):
    """A signature is corrupt, of an unknown version, or cannot be combined with another."""
