"""How large a job is: the time from its lease to its end on an agent of speed 1, learned from jobs that have ended.

A job prepares each of its variants (compile, verify, start cold) and then runs each of them under each load, several
times, each run in a process of its own:

    size = job + sum over variants of setup(backend) + known setup + runs x overhead + driven seconds x share

A linear law in what the job asks for, whose terms are learned by Bayesian linear regression: normal priors at what the
terms usually are, errors relative to the size, old jobs forgotten (Bishop, Pattern Recognition and Machine Learning,
3.3). Before any job has ended it gives the priors, so there is one law from the first job on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORGETTING = 0.01
"""What each ended job takes off the weight of those before: about the last 100 count."""
ENOUGH = 3
"""Fewer ended jobs than this are no ground for a prediction."""
RELATIVE_ERROR = 0.1
"""Of a job's time around the law, which weighs jobs against the priors."""
LARGEST_SURPRISE = 10.0
"""A job that takes this many times its prediction, or that small a share of it, teaches no more than one that does."""
SMALLEST_S = 0.01

JOB, RUN, DRIVEN, KNOWN = "job", "run", "driven", "known setup"
VARIANT = "variant "
OTHER_BACKEND_S = 4.0
USUAL: Mapping[str, float] = {
    JOB: 1.0,
    RUN: 0.8,
    DRIVEN: 1.0,
    KNOWN: 2.0,
    f"{VARIANT}null": 0.5,
    f"{VARIANT}remote": 1.0,
    f"{VARIANT}onnxruntime": 3.0,
    f"{VARIANT}openvino": 5.0,
    f"{VARIANT}torch": 5.0,
    f"{VARIANT}inductor": 30.0,
    f"{VARIANT}tensorrt": 60.0,
}
"""The terms before any job has ended, in seconds each; DRIVEN and KNOWN are shares of the seconds that are known."""

_PRIOR_SPREAD = {DRIVEN: 0.25, KNOWN: 0.5}
OTHER_PRIOR_SPREAD = 3.0
"""How far a term may be from the usual, as a share of it: hosts differ in what they add, not in how time passes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobShape:
    """What decides how long a job takes.

    Args:
        variants: how many variants each backend prepares that it has not prepared before.
        known_setup_s: seconds that preparing the other variants took when they were last measured.
        runs: how many runs are driven in all, repeats included.
        driven_s: seconds of load in all of them.
    """

    variants: Mapping[str, int] = field(default_factory=dict)
    known_setup_s: float = 0.0
    runs: int = 0
    driven_s: float = 0.0

    def terms(self) -> dict[str, float]:
        """How often each term of the law counts; those that do not count are left out."""
        counts = {JOB: 1.0, RUN: float(self.runs), DRIVEN: self.driven_s, KNOWN: self.known_setup_s}
        counts |= {f"{VARIANT}{backend}": float(count) for backend, count in self.variants.items()}
        return {name: count for name, count in counts.items() if count}


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeLaw:
    """The law as far as it is learned: sums over ended jobs, by the names of terms.

    `information` holds sums of x x' / (error x size)^2, `moments` sums of x y / (error x size)^2, for terms x and times
    y; `count` is how many jobs have ended.
    """

    count: int = 0
    information: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    moments: Mapping[str, float] = field(default_factory=dict)

    def predict(self, shape: JobShape) -> float:
        """The size in seconds, at least SMALLEST_S."""
        counts = shape.terms()
        known = self._terms(counts)
        return max(SMALLEST_S, sum(count * known[name] for name, count in counts.items()))

    def covers(self, shape: JobShape) -> bool:
        """Whether enough jobs have ended, and some with each of these terms."""
        return self.count >= ENOUGH and all(self.information.get(name, {}).get(name) for name in shape.terms())

    def after(self, shape: JobShape, took_s: float) -> SizeLaw:
        """The law after one more job has ended. Raises ValueError where its time is not above 0."""
        if not 0 < took_s < math.inf:
            raise ValueError(f"a job that took {took_s:g} s; it must be above 0 and finite")
        counts, predicted = shape.terms(), self.predict(shape)
        took_s = min(max(took_s, predicted / LARGEST_SURPRISE), predicted * LARGEST_SURPRISE)
        # By the larger of the two: a job that was disturbed must not outweigh those that were not.
        weight = 1 / (RELATIVE_ERROR * max(predicted, took_s)) ** 2
        kept = 1 - FORGETTING
        names = sorted({*self.moments, *counts})
        return SizeLaw(
            count=self.count + 1,
            information={
                one: {
                    other: kept * self.information.get(one, {}).get(other, 0.0)
                    + weight * counts.get(one, 0.0) * counts.get(other, 0.0)
                    for other in names
                }
                for one in names
            },
            moments={
                name: kept * self.moments.get(name, 0.0) + weight * counts.get(name, 0.0) * took_s for name in names
            },
        )

    def _terms(self, wanted: Mapping[str, float]) -> dict[str, float]:
        """The most likely terms, none below 0."""
        names = sorted({*self.moments, *wanted})
        usual = np.array([_usual(name) for name in names])
        prior = 1 / np.array([_spread(name) for name in names]) ** 2
        seen: NDArray[np.float64] = np.array(
            [[self.information.get(one, {}).get(other, 0.0) for other in names] for one in names]
        )
        moments = np.array([self.moments.get(name, 0.0) for name in names])
        found = np.linalg.solve(seen + np.diag(prior), moments + prior * usual)
        return dict(zip(names, np.maximum(found, 0.0).tolist(), strict=True))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "count": self.count,
            "information": {name: dict(row) for name, row in self.information.items()},
            "moments": dict(self.moments),
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> SizeLaw:
        """What `to_dict` gave."""
        return cls(count=values["count"], information=values["information"], moments=values["moments"])


def _usual(name: str) -> float:
    return USUAL.get(name, OTHER_BACKEND_S)


def _spread(name: str) -> float:
    return _usual(name) * _PRIOR_SPREAD.get(name, OTHER_PRIOR_SPREAD)
