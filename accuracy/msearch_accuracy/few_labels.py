"""Finds the best of several candidates with few labels of the target: asks for rows, takes labels, says who leads.

    labelling = Labelling.of(candidates)
    while labelling.verdict().winner is None:
        for row in labelling.next_rows():
            labelling.label(row, ask(row))

It stops when one candidate is, with the asked confidence, at most `tolerance` below the best. The confidence is a
Bayesian posterior (`row_classes`, `choosing_labels`), which may be looked at after every label; docs/few-labels.md says
how often it was right on real models.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from msearch_accuracy.choosing_labels import Worlds, choose_rows
from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.evidence import CandidateEvidence, TargetEvidence
from msearch_accuracy.foresight import Foresight, class_chances, foresee
from msearch_accuracy.metrics import Metric
from msearch_accuracy.predictor import Predictor
from msearch_accuracy.problem import Problem, pose
from msearch_accuracy.row_classes import ClassPosterior, Slots, consensus

NO_CLASS = ""
"""The label of a row whose class no candidate knows: all of them are wrong there."""

_DRAWS_TO_CHOOSE, _DRAWS_TO_JUDGE = 300, 1_000
_MOST_NUMBERS = 30_000_000
"""Class chances held at once: fewer worlds are drawn of a large target."""
_FEWEST_DRAWS = 100


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a candidate stands. `accuracy`, `low`, `high`: the metric on all rows and its 90 % interval.

    `best`: P(it is the best); `within`: P(it is at most the tolerance below the best). `right` of `labelled` rows:
    what it got right, on rows chosen for being telling, so their share is no estimate of the accuracy.
    """

    name: str
    accuracy: float
    low: float
    high: float
    best: float
    within: float
    right: int
    labelled: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether to stop. `winner` is None while no candidate has the asked confidence; `leader` is first in any case.

    `confidence`: P(the leader is at most `tolerance` below the best). `exhausted`: nothing is left to ask, since every
    row on which candidates differ is labelled or skipped. `standings`: all candidates, the best first.
    """

    leader: str
    winner: str | None
    confidence: float
    tolerance: float
    labels: int
    exhausted: bool
    standings: tuple[Standing, ...]


class Labelling:
    """Labels of a target's rows and what they say. The same labels in any order give the same answers.

    Args:
        problem: the candidates in one label space, with their outputs.
        metric: accuracy, or F1 of a class.
        foresight: what the accuracy predictor says, which is the answer as long as there is no label; the candidates'
            consensus if None.
        confidence: at which one candidate wins, above 0.5 and below 1.
        tolerance: how far below the best a winner may be.
        seed: of the draws.

    Raises:
        AccuracyError: there are fewer than two candidates, or a setting is out of range.
    """

    def __init__(
        self,
        problem: Problem,
        metric: Metric | None = None,
        *,
        foresight: Foresight | None = None,
        confidence: float = 0.95,
        tolerance: float = 0.01,
        seed: int = 0,
    ) -> None:
        if len(problem.names) < 2:
            raise AccuracyError("labels tell candidates apart: at least two with outputs are needed")
        if not 0.5 < confidence < 1:
            raise AccuracyError(f"the confidence must lie above 0.5 and below 1, not {confidence}")
        if not 0 <= tolerance < 1:
            raise AccuracyError(f"the tolerance must be at least 0 and below 1, not {tolerance}")
        metric = metric or Metric()
        if metric.positive is not None and metric.positive not in problem.classes:
            raise AccuracyError(f"no candidate knows the class {metric.positive!r} whose F1 is asked for")
        self.problem = problem
        self.confidence = confidence
        self.tolerance = tolerance
        self._positive = None if metric.positive is None else problem.classes.index(metric.positive)
        self._foresight = foresight
        self._slots = _begin(problem, foresight, self._positive)
        self._posterior = ClassPosterior(self._slots)
        self._seed = seed
        self._labels: dict[int, str] = {}
        self._skipped: list[int] = []
        self._verdict: Verdict | None = None

    @classmethod
    def of(
        cls,
        candidates: Sequence[CandidateEvidence],
        metric: Metric | None = None,
        *,
        target: TargetEvidence | None = None,
        predictor: Predictor | None = None,
        confidence: float = 0.95,
        tolerance: float = 0.01,
        seed: int = 0,
    ) -> Labelling:
        """From candidates with outputs on the same rows; `problem.refused` names those that cannot take part, and why.

        With the rows of the target in the feature space, the candidates' sources and an accuracy predictor it begins
        with what that predicts, otherwise with the candidates' consensus.

        Raises:
            AccuracyError: fewer than two can take part, or a predictor is given and no target.
        """
        shapes = [np.shape(c.probabilities) for c in candidates if c.probabilities is not None]
        if not shapes or not shapes[0] or not shapes[0][0]:
            raise AccuracyError("labels tell candidates apart by their outputs, and no candidate was run")
        foresight = None
        if predictor is None:
            # Only the outputs speak here: where the rows lie does not matter.
            rows = TargetEvidence(np.zeros((shapes[0][0], 1), np.int16))
            problem = pose([replace(candidate, source=None) for candidate in candidates], rows, run=True)
        elif target is None:
            raise AccuracyError("the predictor needs the target's rows in the feature space")
        else:
            problem = pose(candidates, target, run=True)
            foresight = foresee(predictor, candidates, target, problem.names, metric or Metric())
        return cls(problem, metric, foresight=foresight, confidence=confidence, tolerance=tolerance, seed=seed)

    @property
    def classes(self) -> tuple[str, ...]:
        """All classes that candidates know, sorted."""
        return self.problem.classes

    @property
    def labels(self) -> dict[int, str]:
        """The labels so far, by row; `NO_CLASS` where no candidate knows the row's class."""
        return dict(self._labels)

    @property
    def skipped(self) -> tuple[int, ...]:
        """Rows that nobody can label."""
        return tuple(self._skipped)

    def label(self, row: int, name: str) -> None:
        """Takes the class of a row, or corrects it.

        Raises:
            AccuracyError: there is no such row, or no candidate knows the class.
        """
        self._check_row(row)
        if name != NO_CLASS and name not in self.classes:
            raise AccuracyError(f"no candidate knows the class {name!r}; they know {', '.join(self.classes[:20])}")
        self._labels[row] = name
        self._skipped = [other for other in self._skipped if other != row]
        self._verdict = None

    def forget(self, row: int) -> None:
        """Takes back the label of a row, or that it was skipped."""
        self._labels.pop(row, None)
        self._skipped = [other for other in self._skipped if other != row]
        self._verdict = None

    def skip(self, row: int) -> None:
        """Never asks for this row again, unless `forget` is called.

        Raises:
            AccuracyError: there is no such row.
        """
        self._check_row(row)
        self._labels.pop(row, None)
        self._skipped = sorted({*self._skipped, row})
        self._verdict = None

    def next_rows(self, count: int = 1) -> list[int]:
        """The rows to label next, the most telling first; fewer than `count` where no others tell candidates apart.

        Asking for one, labelling it and asking again needs the fewest labels; several at once are chosen so as to tell
        different things.
        """
        labels = self._fit()
        return choose_rows(
            self._posterior,
            self._slots,
            labels,
            count,
            draws=self._draws(_DRAWS_TO_CHOOSE),
            random=self._random(0),
            positive=self._positive,
            skipped=self._skipped,
        )

    def verdict(self) -> Verdict:
        """Who leads, and whether that is sure enough to stop."""
        if self._verdict is None:
            self._verdict = self._judge()
        return self._verdict

    def _judge(self) -> Verdict:
        labels = self._fit()
        count = self._draws(_DRAWS_TO_JUDGE)
        worlds = Worlds.draw(self._posterior, self._slots, labels, count, self._random(1), positive=self._positive)
        low, high = np.quantile(worlds.values, [0.05, 0.95], axis=0)
        means, best, within = worlds.values.mean(axis=0), worlds.best(), worlds.within(self.tolerance)
        if self._foresight is not None and not labels:
            means, low, high = self._foresight.values, self._foresight.low, self._foresight.high
        order = np.lexsort((-best, -means))
        standings = tuple(
            Standing(
                name=self.problem.names[at],
                accuracy=float(means[at]),
                low=float(low[at]),
                high=float(high[at]),
                best=float(best[at]),
                within=float(within[at]),
                right=sum(bool(self._slots.voted[row, slot, at]) for row, slot in labels.items()),
                labelled=len(labels),
            )
            for at in order
        )
        leader = standings[0]
        return Verdict(
            leader=leader.name,
            winner=leader.name if leader.within >= self.confidence else None,
            confidence=leader.within,
            tolerance=self.tolerance,
            labels=len(labels),
            exhausted=self._exhausted(),
            standings=standings,
        )

    def _exhausted(self) -> bool:
        differ = self._slots.voted.any(axis=2).sum(axis=1) > 1
        return not set(np.flatnonzero(differ).tolist()) - set(self._labels) - set(self._skipped)

    def _fit(self) -> dict[int, int]:
        """Fits the posterior to the labels; the slots by row, in the order of the rows."""
        places = {name: place for place, name in enumerate(self.classes)}
        labels = {row: self._slots.find(row, places.get(self._labels[row], -1)) for row in sorted(self._labels)}
        self._posterior.fit(list(labels), list(labels.values()))
        return labels

    def _draws(self, wanted: int) -> int:
        size = self._slots.used.size
        return int(np.clip(_MOST_NUMBERS // max(size, 1), _FEWEST_DRAWS, wanted))

    def _random(self, purpose: int) -> np.random.Generator:
        return np.random.default_rng([self._seed, purpose, len(self._labels), len(self._skipped)])

    def _check_row(self, row: int) -> None:
        count = len(self._slots.used)
        if not 0 <= row < count:
            raise AccuracyError(f"there is no row {row}: the target has rows 0 to {count - 1}")


def _begin(problem: Problem, foresight: Foresight | None, positive: int | None) -> Slots:
    """The slots before there is a label."""
    agreed = consensus(problem)
    if foresight is None:
        return Slots.of(problem.votes, agreed, positive)
    return Slots.of(problem.votes, class_chances(problem, foresight.right, agreed), positive)
