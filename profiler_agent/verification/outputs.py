"""Compares what a compiled model gives with what the reference gives for the same rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiler_agent.errors import WrongOutput
from profiler_agent.work import Precision

Outputs = Mapping[str, NDArray[Any]]
"""Tensors by name, each with the rows on its first axis."""

TOLERANCES: Mapping[Precision, float] = {Precision.FP32: 1e-4, Precision.BF16: 3e-2, Precision.FP16: 5e-3}
"""Largest `max_difference` by precision class. Int8 has none: how often its answers agree decides."""

ROW_TOLERANCE = 0.05
"""Where outputs name no class, a row agrees if it differs by at most this share of the output's largest value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How far outputs are from the reference, over all rows.

    `max_difference` is the largest absolute difference relative to the largest absolute value of the reference, in the
    output where that is worst. `sqnr_db` is 10 log10(sum of squares of the reference / sum of squares of the
    difference) over all floating outputs, infinite where they are equal, None where there are none. `agreed` has a
    truth value a row: the same class, or without classes the same values within `ROW_TOLERANCE`. `problem` is empty if
    the difference is within what the precision allows.
    """

    rows: int
    max_difference: float
    sqnr_db: float | None
    agreed: NDArray[np.bool_]
    classified: bool
    problem: str

    @property
    def top1_agreement(self) -> float | None:
        """Share of rows of the same class; None if the outputs name no class."""
        return float(np.mean(self.agreed)) if self.classified else None


def compare(
    reference: Outputs, outputs: Outputs, precision: Precision, *, class_output: str | None = None
) -> Comparison:
    """Compares outputs with the reference's for the same rows.

    `class_output` names the output whose classes count; by default the first that can be read as one (`classes`).

    Raises:
        WrongOutput: an output is missing, has another shape or row count, is NaN or infinite where the reference is
            not, is all zero or the same for every row where the reference is not.
    """
    if not reference:
        raise ValueError("there is no reference output to compare with")
    if len({len(expected) for expected in reference.values()}) > 1:
        raise ValueError("the reference outputs differ in their number of rows")
    for name, expected in reference.items():
        _check_output(name, expected, outputs)
    rows = len(next(iter(reference.values())))
    class_output = class_output if class_output is not None else _class_output(reference)
    differences = {
        name: _relative_differences(expected, outputs[name])
        for name, expected in reference.items()
        if _is_floating(expected)
    }
    worst = max((float(by_row.max(initial=0.0)) for by_row in differences.values()), default=0.0)
    if class_output is not None:
        agreed = top_classes(reference[class_output]) == top_classes(outputs[class_output])
    else:
        agreed = np.ones(rows, dtype=np.bool_)
        for name, expected in reference.items():
            agreed &= (
                differences[name] <= ROW_TOLERANCE if name in differences else _equal_rows(expected, outputs[name])
            )
    return Comparison(
        rows=rows,
        max_difference=worst,
        sqnr_db=_sqnr_db([(expected, outputs[name]) for name, expected in reference.items() if name in differences]),
        agreed=agreed,
        classified=class_output is not None,
        problem=_problem(worst, precision, agreed, floating=bool(differences)),
    )


def top_classes(output: NDArray[Any]) -> NDArray[Any]:
    """One class a row: the largest column of scores, the sign of a single score's distance to 1/2, or the label."""
    if not _is_floating(output):
        return output.reshape(len(output), -1)[:, 0]
    columns = output.reshape(len(output), -1)
    return np.argmax(columns, axis=1) if columns.shape[1] > 1 else columns[:, 0] > 0.5


def _class_output(reference: Outputs) -> str | None:
    """The first output that reads as classes: scores [rows, 2 or more], or a label, [rows] or [rows, 1]."""
    for name, expected in reference.items():
        single = expected.ndim == 1 or (expected.ndim == 2 and expected.shape[1] == 1)
        if single if not _is_floating(expected) else expected.ndim == 2 and expected.shape[1] > 1:
            return name
    return None


def _check_output(name: str, expected: NDArray[Any], outputs: Outputs) -> None:
    if name not in outputs:
        raise WrongOutput(f"output {name!r} is missing; there are {', '.join(map(repr, outputs)) or 'none'}")
    actual = outputs[name]
    if actual.ndim == 0 or len(actual) != len(expected):
        raise WrongOutput(
            f"output {name!r} has {actual.shape[0] if actual.ndim else 'no'} rows for {len(expected)} rows"
        )
    if actual.shape != expected.shape:
        raise WrongOutput(f"output {name!r} has the shape {list(actual.shape)}, the reference {list(expected.shape)}")
    if _is_floating(expected) != _is_floating(actual):
        raise WrongOutput(f"output {name!r} is of type {actual.dtype}, the reference of {expected.dtype}")
    if not _is_floating(expected):
        return
    strange = ~_both_finite(expected, actual) & ~_same_not_finite(expected, actual)
    if strange.any():
        row = int(np.argwhere(strange)[0][0])
        raise WrongOutput(
            f"output {name!r} and the reference are not NaN or infinite in the same places: {int(strange.sum())} of"
            f" {strange.size} differ, the first in row {row} with {_wide(actual)[strange][0]:g} for"
            f" {_wide(expected)[strange][0]:g}"
        )
    if not np.any(actual) and np.any(expected):
        raise WrongOutput(f"output {name!r} is zero throughout, the reference is not: nothing was computed")
    if _spread(actual) == 0.0 and _spread(expected) > ROW_TOLERANCE:
        raise WrongOutput(f"output {name!r} is the same for all {len(expected)} rows, the reference is not")


def _problem(worst: float, precision: Precision, agreed: NDArray[np.bool_], *, floating: bool) -> str:
    limit = TOLERANCES.get(precision)
    if limit is None:
        return ""
    if floating and not worst <= limit:
        return f"it differs from the reference by {worst:.2g} of the largest value, {precision} may by {limit:g}"
    if not floating and np.mean(agreed) < 0.99:
        return f"its labels agree with the reference in {int(agreed.sum())} of {agreed.size} rows"
    return ""


def _relative_differences(expected: NDArray[Any], actual: NDArray[Any]) -> NDArray[np.float64]:
    """Largest absolute difference of each row, relative to the largest absolute value of all rows."""
    wide, other = _wide(expected), _wide(actual)
    difference = np.zeros(wide.shape)
    with np.errstate(over="ignore"):
        np.subtract(other, wide, out=difference, where=_both_finite(expected, actual))
        by_row = np.abs(difference).reshape(len(wide), -1).max(axis=1, initial=0.0)
        largest = _largest(expected)
        return np.asarray(by_row / largest if largest > 0.0 else by_row, dtype=np.float64)


def _sqnr_db(pairs: list[tuple[NDArray[Any], NDArray[Any]]]) -> float | None:
    if not pairs:
        return None
    signal = noise = 0.0
    scale = max(max(_largest(expected), _largest(actual)) for expected, actual in pairs) or 1.0
    for expected, actual in pairs:
        finite = _both_finite(expected, actual)
        wide, other = _wide(expected)[finite] / scale, _wide(actual)[finite] / scale  # squares must not overflow
        signal += float(np.sum(np.square(wide)))
        noise += float(np.sum(np.square(other - wide)))
    if noise == 0.0:
        return math.inf
    return 10.0 * math.log10(signal / noise) if signal > 0.0 else -math.inf


def _is_floating(values: NDArray[Any]) -> bool:
    # Kind "V" and a name: bfloat16 and its like, which numpy knows from extensions only.
    return values.dtype.kind == "f" or "float" in values.dtype.name


def _wide(values: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(values, dtype=np.float64)


def _both_finite(expected: NDArray[Any], actual: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray(np.isfinite(_wide(expected)) & np.isfinite(_wide(actual)), dtype=np.bool_)


def _same_not_finite(expected: NDArray[Any], actual: NDArray[Any]) -> NDArray[np.bool_]:
    wide, other = _wide(expected), _wide(actual)
    return np.asarray((np.isnan(wide) & np.isnan(other)) | (np.isinf(wide) & (wide == other)), dtype=np.bool_)


def _largest(values: NDArray[Any]) -> float:
    wide = _wide(values)
    return float(np.abs(wide, where=np.isfinite(wide), out=np.zeros(wide.shape)).max(initial=0.0))


def _spread(values: NDArray[Any]) -> float:
    """How far the rows lie from the first, relative to the largest value."""
    return float(_relative_differences(values, np.broadcast_to(values[:1], values.shape)).max(initial=0.0))


def _equal_rows(expected: NDArray[Any], actual: NDArray[Any]) -> NDArray[np.bool_]:
    return np.asarray((expected == actual).reshape(len(expected), -1).all(axis=1), dtype=np.bool_)
