"""What a behaviour score is, what it is given and what it gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.calibration import scale_by_temperature
from msearch_accuracy.errors import AccuracyError
from msearch_sketch.signature import Validation

Need = Literal["validation", "votes", "noisy", "labels", "features"]
_TOLERANCE = 1e-2


@dataclass(frozen=True, slots=True, kw_only=True)
class BehaviourInfo:
    """What a score is. `estimates_accuracy` says whether its value is on the scale of the accuracy itself."""

    name: str
    summary: str
    formula: str
    source: str
    lowest: float | None
    highest: float | None
    needs: tuple[Need, ...] = ()
    estimates_accuracy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Behaviour:
    """A candidate on n rows of a target, K classes.

    - `probabilities` [n, K], each row sums to 1.
    - `validation`: how it did on its own labelled validation rows; `prior` [K]: the class shares of its source.
    - `votes` [C, n]: classes that all candidates vote for, indices into the union of their `union` classes; `place` is
      this candidate's row in it.
    - `noisy` [s, n]: the candidate's own votes (indices into K) under s draws of weight noise.
    - `labels` [m], `labelled_rows` [m]: true classes (indices into K, -1 for a class it does not know) of some rows.
    - `features` [m, d]: the candidate's features of the labelled rows.
    """

    probabilities: NDArray[Any]
    validation: Validation | None = None
    prior: NDArray[Any] | None = None
    votes: NDArray[np.int64] | None = None
    place: int = 0
    union: int = 0
    noisy: NDArray[np.int64] | None = None
    labels: NDArray[np.int64] | None = None
    labelled_rows: NDArray[np.int64] | None = None
    features: NDArray[Any] | None = None

    def __post_init__(self) -> None:
        values = np.asarray(self.probabilities)
        if values.ndim != 2 or not values.size:
            raise AccuracyError(f"probabilities must be [n, K], not {list(values.shape)}")
        if not np.isfinite(values).all():
            raise AccuracyError("the probabilities hold NaN or infinity")
        if (values < -_TOLERANCE).any() or (np.abs(values.sum(axis=1) - 1) > _TOLERANCE).any():
            raise AccuracyError("the rows of the probabilities do not sum to 1")

    @property
    def calibrated(self) -> NDArray[np.float64]:
        """The probabilities under the validation temperature, where there is one. [n, K]"""
        if self.validation is None:
            return np.asarray(self.probabilities, np.float64)
        return scale_by_temperature(self.probabilities, self.validation.temperature)


@dataclass(frozen=True, slots=True)
class BehaviourValue:
    """A score's value, NaN where `detail` says why not; `low` and `high`: a 95 % interval where the score has one."""

    value: float
    detail: str = ""
    low: float | None = None
    high: float | None = None


_MISSING: dict[Need, tuple[str, str]] = {
    "validation": ("validation", "the model has no validation statistics: register it with a labelled sample"),
    "votes": ("votes", "the votes of other candidates are needed"),
    "noisy": ("noisy", "predictions under weight noise are needed"),
    "labels": ("labels", "labels of some rows are needed"),
    "features": ("features", "the model's features of the labelled rows are needed"),
}


@dataclass(frozen=True, slots=True)
class BehaviourScore:
    """A score: one file of this package with a module-level `SCORE`. Higher values are better."""

    info: BehaviourInfo
    function: Callable[[Behaviour], float | BehaviourValue]

    def compute(self, behaviour: Behaviour) -> BehaviourValue:
        """The value; what the score needs and is not there gives NaN and the reason."""
        for need in self.info.needs:
            field, reason = _MISSING[need]
            if getattr(behaviour, field) is None:
                return BehaviourValue(float("nan"), reason)
        found = self.function(behaviour)
        return found if isinstance(found, BehaviourValue) else BehaviourValue(float(found))


def entropies(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """-sum p log p along the last axis, in nats."""
    result: NDArray[np.float64] = -(values * np.log(np.maximum(values, 1e-12))).sum(axis=-1)
    return result
