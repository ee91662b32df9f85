"""What a model says of rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Outputs:
    """Class probabilities of n rows, K classes.

    - `classes`: names, in the order of the columns.
    - `probabilities` [n, K] float32: each row sums to 1, or is all NaN where the model could not take the row.
    - `problem`: why the first such row was skipped; "" if none was.
    - `noisy_votes` [s, n] int16: the class that each of s draws of noise on the weights votes for (-1 for none); None
      where noise was not asked for, or the model has no weights to put it on.
    """

    classes: tuple[str, ...]
    probabilities: NDArray[np.float32]
    problem: str = ""
    noisy_votes: NDArray[np.int16] | None = None

    @property
    def kept(self) -> NDArray[np.bool_]:
        """Which rows the model took. [n]"""
        return np.asarray(~np.isnan(self.probabilities).any(axis=1), np.bool_)

    @property
    def skipped(self) -> int:
        """How many rows it could not take."""
        return int(len(self.probabilities) - np.count_nonzero(self.kept))

    @property
    def votes(self) -> NDArray[np.int64]:
        """The most probable class of each row, as its position in `classes`; -1 for a skipped row. [n]"""
        return count_votes(self.probabilities)

    def named_votes(self) -> list[str | None]:
        """The most probable class of each row by name; None for a skipped row."""
        return [self.classes[vote] if vote >= 0 else None for vote in self.votes]


def count_votes(probabilities: NDArray[np.float32]) -> NDArray[np.int64]:
    """Position of the largest probability of each row; -1 where the row is NaN. [n, K] -> [n]"""
    missing = np.isnan(probabilities).any(axis=1)
    votes: NDArray[np.int64] = np.where(missing, -1, np.nan_to_num(probabilities).argmax(axis=1))
    return votes


def common_rows(several: Sequence[Outputs]) -> NDArray[np.bool_]:
    """Which of the n rows all of them took. [n]"""
    found: NDArray[np.bool_] = np.logical_and.reduce([outputs.kept for outputs in several])
    return found
