"""What an input adapter gives: one file per kind beside this one, with a function

    prepare(spec, batch, base) -> Prepared

where `spec` is the card's `input`, and `base` the folder that the card's relative file names refer to.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_card.errors import InputError

ONLY_INPUT = ""
"""Key of the tensor for the artifact's only input, where the card does not name it."""


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """The tensors of the rows that could be read.

    `tensors`: by name, `ONLY_INPUT` where the card names none; each has m rows. `kept` [n] says which of the n rows of
    the batch these are, in order. `problem` is the first reason why a row was skipped ("" if none was).
    """

    tensors: Mapping[str, NDArray[Any]]
    kept: NDArray[np.bool_]
    problem: str = ""

    @property
    def skipped(self) -> int:
        """How many rows could not be read."""
        return int(self.kept.size - np.count_nonzero(self.kept))

    def feed(self, input_names: Sequence[str]) -> dict[str, NDArray[Any]]:
        """The tensors under the names that an artifact with these inputs expects.

        Raises:
            InputError: the names do not agree; the message lists both.
        """
        if set(self.tensors) == {ONLY_INPUT} and len(input_names) == 1:
            return {input_names[0]: self.tensors[ONLY_INPUT]}
        if set(self.tensors) != set(input_names):
            prepared = ", ".join(name or "one without a name" for name in self.tensors)
            raise InputError(f"the card prepares the inputs {prepared}; the artifact has {', '.join(input_names)}")
        return dict(self.tensors)


def row_problem(row: int, problem: str) -> str:
    """The text of `Prepared.problem`: which row of the batch, counted from 0, and what is wrong with it."""
    return f"row {row}: {problem}"
