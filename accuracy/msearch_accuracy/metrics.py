"""From the chance that each row is right to the metric that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError


@dataclass(frozen=True, slots=True)
class Metric:
    """What is predicted: accuracy, or F1 of the class `positive`."""

    kind: Literal["accuracy", "f1"] = "accuracy"
    positive: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in ("accuracy", "f1"):
            raise AccuracyError(f"the metric {self.kind!r} is unknown; choose accuracy or f1")
        if (self.kind == "f1") != (self.positive is not None):
            raise AccuracyError("f1 needs the name of its positive class, accuracy needs none")

    def expect(
        self, right: NDArray[Any], votes: NDArray[Any], classes: tuple[str, ...], weights: NDArray[Any]
    ) -> float:
        """The metric of a candidate from P(right) of each row.

        Accuracy: the mean. F1, soft: 2 TP / (2 TP + FP + FN) of expected counts, where a row not voted positive that is
        wrong is a missed positive (exact for two classes).

        Args:
            right: [n], in [0, 1]; zeros and ones give the metric itself.
            votes: [n], index into `classes`.
            classes: names.
            weights: [n], rows that each row stands for.
        """
        if self.kind == "accuracy":
            return float(np.dot(right, weights) / np.sum(weights))
        chosen = votes == (classes.index(self.positive) if self.positive in classes else -1)
        hits = float((weights * right)[chosen].sum())
        misses = float((weights * (1 - right)).sum())
        return 2 * hits / (2 * hits + misses) if hits + misses > 0 else 0.0
