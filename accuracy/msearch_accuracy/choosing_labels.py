"""Which rows to label so as to learn most about which candidate is best.

A world is one way the target may be: a class for every row, and what each candidate reaches then. Worlds are drawn from
the posterior (`row_classes`). The worth of labelling a row is the mutual information, in nats, between its class and
which candidate is best:

    I(best; y_r) = H(best) - sum_k P(y_r = k) H(best | y_r = k)

A label counts twice: it tells which worlds are likely (the trust in votes), and it settles the row itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.row_classes import Chances, ClassPosterior, Slots

_LOOKED_AT = 96
"""Rows whose worth is worked out in full: those where the posterior alone tells most."""
_AT_ONCE = 32

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Worlds:
    """S drawn worlds of n rows and C candidates.

    `chances` [J, S, n] of each row's slots, `drawn` [S, n] the slot that is right, `values` [S, C] the metric.
    `positive`: index of the class whose F1 counts, or None for accuracy.
    """

    slots: Slots
    chances: Chances
    drawn: NDArray[np.int64]
    values: Floats
    positive: int | None

    @classmethod
    def draw(
        cls,
        posterior: ClassPosterior,
        slots: Slots,
        labels: dict[int, int],
        count: int,
        random: np.random.Generator,
        *,
        positive: int | None = None,
    ) -> Worlds:
        """Draws worlds that agree with the labels, which are slots by row."""
        chances = posterior.draw(count, random)
        dice = random.random(chances.shape[1:], np.float32)
        drawn = np.zeros(dice.shape, np.int64)
        # Not the last slot, which is what is left: rounding may leave the sum a hair below the dice.
        for part in np.cumsum(chances[:-1], axis=0):
            drawn += part < dice
        if labels:
            drawn[:, list(labels)] = list(labels.values())
        return cls(slots, chances, drawn, _values(slots, drawn, positive), positive)

    def best(self) -> Floats:
        """P(candidate is the best); ties are shared. [C]"""
        first = self.values >= self.values.max(axis=1, keepdims=True) - 1e-9
        result: Floats = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
        return result

    def within(self, tolerance: float) -> Floats:
        """P(candidate is at most `tolerance` below the best). [C]"""
        result: Floats = (self.values >= self.values.max(axis=1, keepdims=True) - tolerance - 1e-9).mean(axis=0)
        return result

    def worth(self, rows: NDArray[np.int64]) -> Floats:
        """Information of a label of each row about the best candidate, in nats, at least 0. [len(rows)]"""
        worths = np.zeros(len(rows))
        if not len(rows):
            return worths
        roughly = self._rough_worth(rows)
        looked_at = np.argsort(-roughly, kind="stable")[:_LOOKED_AT]
        for start in range(0, len(looked_at), _AT_ONCE):
            part = looked_at[start : start + _AT_ONCE]
            worths[part] = self._full_worth(rows[part])
        return worths

    def _rough_worth(self, rows: NDArray[np.int64]) -> Floats:
        """As if a label told only about the trust in votes."""
        winners = np.zeros(self.values.shape, np.float32)
        winners[np.arange(len(winners)), self.values.argmax(axis=1)] = 1.0
        joint = self.chances[:, :, rows].transpose(2, 0, 1) @ winners / len(winners)
        return _mutual_information(joint.astype(np.float64))

    def _full_worth(self, rows: NDArray[np.int64]) -> Floats:
        count, candidates = self.values.shape
        width = self.slots.used.shape[1]
        winners = self._values_if(rows).argmax(axis=3)  # [S, m, J]
        cells = (np.arange(len(rows))[:, None] * width + np.arange(width)) * candidates + winners
        weights = self.chances[:, :, rows].transpose(1, 2, 0)  # [S, m, J]
        joint = np.bincount(cells.ravel(), weights.ravel(), len(rows) * width * candidates) / count
        return _mutual_information(joint.reshape(len(rows), width, candidates))

    def _values_if(self, rows: NDArray[np.int64]) -> Floats:
        """The metric in each world if the row's class were that of each slot. [S, m, J, C]"""
        voted = self.slots.voted[rows]  # [m, J, C]
        right = voted[np.arange(len(rows)), self.drawn[:, rows]]  # [S, m, C]
        if self.positive is None:
            changes: Floats = (voted[None] * 1.0 - right[:, :, None]) / self.drawn.shape[1]
            return np.asarray(self.values[:, None, None] + changes)
        hits, named, actual = _counts(self.slots, self.drawn, self.positive)
        positive = self.slots.classes[rows] == self.positive  # [m, J]
        drawn_positive = positive[np.arange(len(rows)), self.drawn[:, rows]]  # [S, m]
        true = hits[:, None, None] - (right & drawn_positive[..., None])[:, :, None] + (voted & positive[..., None])
        total = named + (actual[:, None, None] - drawn_positive[..., None] + positive)[..., None]
        return np.asarray(2 * true / np.maximum(total, 1))


def choose_rows(
    posterior: ClassPosterior,
    slots: Slots,
    labels: dict[int, int],
    count: int,
    *,
    draws: int,
    random: np.random.Generator,
    positive: int | None = None,
    skipped: Sequence[int] = (),
) -> list[int]:
    """At most `count` rows to label, the most telling first.

    Each further one is chosen as if labels of those before had come in and said what was expected of them. Rows on
    which all candidates agree are never chosen: they tell none from another.

    Args:
        posterior: fitted to the labels; it is narrowed by the choice, so fit it again before drawing from it.
        slots: of all rows.
        labels: the slot by row.
        count: how many.
        draws: worlds to draw for each choice.
        random: of the draws.
        positive: class whose F1 counts, or None for accuracy.
        skipped: rows that nobody can label.
    """
    differ = (slots.voted.any(axis=2).sum(axis=1) > 1) & ~np.isin(np.arange(len(slots.used)), [*labels, *skipped])
    chosen: list[int] = []
    while len(chosen) < count and differ.any():
        worlds = Worlds.draw(posterior, slots, labels, draws, random, positive=positive)
        rows = np.flatnonzero(differ)
        worths = worlds.worth(rows)
        if worths.max() <= 1e-9:
            # The best is known in these worlds: the rows whose class is least known make the estimates better.
            worths = _entropy(worlds.chances[:, :, rows].mean(axis=1).T.astype(np.float64))
        row = int(rows[worths.argmax()])
        chosen.append(row)
        differ[row] = False
        if len(chosen) < count:
            posterior.expect_label(row)
    return chosen


def _values(slots: Slots, drawn: NDArray[np.int64], positive: int | None) -> Floats:
    if positive is not None:
        hits, named, actual = _counts(slots, drawn, positive)
        return np.asarray(2 * hits / np.maximum(named + actual[:, None], 1))
    right = np.zeros((len(drawn), slots.voted.shape[2]), np.float32)
    for slot in range(slots.voted.shape[1]):
        right += (drawn == slot).astype(np.float32) @ slots.voted[:, slot].astype(np.float32)
    return np.asarray(right / drawn.shape[1], np.float64)


def _counts(
    slots: Slots, drawn: NDArray[np.int64], positive: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """True positives [S, C], rows voted positive [C], rows that are positive [S]."""
    where = slots.classes == positive  # [n, J], once a row
    votes = (slots.voted & where[..., None]).any(axis=1)  # [n, C]
    actual = np.take_along_axis(where[None], drawn[..., None], axis=2)[..., 0]  # [S, n]
    # In float32, which counts exactly and multiplies fast.
    hits = (actual.astype(np.float32) @ votes.astype(np.float32)).astype(np.int64)
    return hits, votes.sum(axis=0), actual.sum(axis=1)


def _entropy(shares: Floats) -> Floats:
    result: Floats = -(shares * np.log(np.maximum(shares, 1e-300))).sum(axis=-1)
    return result


def _mutual_information(joint: Floats) -> Floats:
    """Between slots and winners of each row, from P(slot, winner). [m, J, C] -> [m]"""
    joint = joint / np.maximum(joint.sum(axis=(1, 2), keepdims=True), 1e-300)
    by_slot, by_winner = joint.sum(axis=2), joint.sum(axis=1)
    found: Floats = _entropy(by_slot) + _entropy(by_winner) - _entropy(joint.reshape(len(joint), -1))
    return np.maximum(found, 0.0)
