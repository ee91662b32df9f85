"""What holds of labelling whatever the candidates vote."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_accuracy import CandidateEvidence
from msearch_accuracy.choosing_labels import Worlds
from msearch_accuracy.few_labels import NO_CLASS, Labelling
from msearch_accuracy.row_classes import ClassPosterior, Slots
from tests.made_up_accuracy import outputs

CLASSES = ("a", "b", "c", "d")


@st.composite
def problems(draw: st.DrawFn) -> tuple[list[CandidateEvidence], dict[int, str]]:
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    rows, count = draw(st.integers(3, 25)), draw(st.integers(2, 5))
    labels = random.integers(0, 4, rows)
    candidates = [
        CandidateEvidence(f"m{at}", CLASSES, outputs(float(random.uniform(0.1, 1)), labels, random, 4))
        for at in range(count)
    ]
    known = random.permutation(rows)[: draw(st.integers(0, rows))]
    names = [*CLASSES, NO_CLASS]
    return candidates, {int(row): names[random.integers(0, 5)] for row in known}


def labelled(candidates: list[CandidateEvidence], labels: dict[int, str]) -> Labelling:
    labelling = Labelling.of(candidates)
    for row, name in labels.items():
        labelling.label(row, name)
    return labelling


@given(problems())
@settings(max_examples=25, deadline=None)
def test_standings_are_distributions_and_contain_what_labels_allow(
    problem: tuple[list[CandidateEvidence], dict[int, str]],
) -> None:
    candidates, labels = problem
    verdict = labelled(candidates, labels).verdict()
    assert sum(s.best for s in verdict.standings) == pytest.approx(1)
    accuracies = [s.accuracy for s in verdict.standings]
    assert accuracies == sorted(accuracies, reverse=True)
    rows = len(np.asarray(candidates[0].probabilities))
    for standing in verdict.standings:
        assert 0 <= standing.low <= standing.high <= 1
        assert standing.within >= standing.best - 1e-9
        # What is labelled is settled, so the rest can add no more than there are rows.
        assert standing.right / rows - 1e-6 <= standing.low
        assert standing.high <= (standing.right + rows - len(labels)) / rows + 1e-6
    assert verdict.confidence == verdict.standings[0].within


@given(problems(), st.randoms(use_true_random=False))
@settings(max_examples=15, deadline=None)
def test_the_order_of_labels_does_not_matter(
    problem: tuple[list[CandidateEvidence], dict[int, str]], random: object
) -> None:
    candidates, labels = problem
    shuffled = list(labels.items())
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = labelled(candidates, labels), labelled(candidates, dict(shuffled))
    assert first.verdict() == second.verdict()
    assert first.next_rows(3) == second.next_rows(3)


@given(problems())
@settings(max_examples=15, deadline=None)
def test_chosen_rows_are_open_and_distinct(problem: tuple[list[CandidateEvidence], dict[int, str]]) -> None:
    candidates, labels = problem
    labelling = labelled(candidates, labels)
    chosen = labelling.next_rows(30)
    assert len(set(chosen)) == len(chosen)
    assert not set(chosen) & set(labels)
    assert labelling.verdict().exhausted == (not chosen)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_worth_is_at_most_what_there_is_to_learn(seed: int) -> None:
    random = np.random.default_rng(seed)
    votes = random.integers(0, 3, (3, 20))
    slots = Slots.of(votes, random.dirichlet(np.ones(3), 20))
    worlds = Worlds.draw(ClassPosterior(slots), slots, {}, 200, random)
    worth = worlds.worth(np.arange(20))
    assert (worth >= 0).all()
    assert worth.max() <= np.log(3) + 1e-9
