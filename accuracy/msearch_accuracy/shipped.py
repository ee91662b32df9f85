"""The default predictor, trained on the public workloads, that ships with the package."""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.predictor import Predictor

FILE = files("msearch_accuracy") / "default_predictor.npz"
"""Written by `python -m benchmarks.train_predictor`."""

FIGURES = files("msearch_accuracy") / "default_predictor.json"
"""How predictors of four workloads do on the fifth."""


@lru_cache(maxsize=1)
def default_predictor() -> Predictor:
    """The predictor to start with, before a registry has evidence of its own.

    Raises:
        AccuracyError: the package lacks it.
    """
    try:
        data = FILE.read_bytes()
    except OSError:
        raise AccuracyError(
            "the default predictor is missing from the package: `python -m benchmarks.train_predictor` makes it"
        ) from None
    return Predictor.decode(data)
