"""Finding the best candidate with few labels, on candidates whose accuracy is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from msearch_accuracy import AccuracyError, CandidateEvidence, Metric
from msearch_accuracy.choosing_labels import Worlds, choose_rows
from msearch_accuracy.few_labels import NO_CLASS, Labelling
from msearch_accuracy.row_classes import ClassPosterior, Slots
from tests.made_up_accuracy import CLASSES, outputs

REACHED = (0.9, 0.75, 0.6, 0.45)


def made_up(seed: int, rows: int = 200) -> tuple[list[CandidateEvidence], NDArray[np.int64], NDArray[np.float64]]:
    """Candidates with outputs, the rows' classes, and what each candidate truly reaches."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 3, rows)
    values = [outputs(reach, labels, random) for reach in REACHED]
    candidates = [CandidateEvidence(f"model-{at}", CLASSES, value) for at, value in enumerate(values)]
    return candidates, labels, np.array([(value.argmax(axis=1) == labels).mean() for value in values])


def fill(labelling: Labelling, labels: NDArray[np.int64], most: int) -> None:
    """Labels what is asked for until somebody wins."""
    while labelling.verdict().winner is None and len(labelling.labels) < most:
        (row,) = labelling.next_rows()
        labelling.label(row, CLASSES[labels[row]])


def test_finds_the_best_with_fewer_labels_than_counting_needs() -> None:
    needed = []
    for seed in range(4):
        candidates, labels, true = made_up(seed)
        labelling = Labelling.of(candidates, seed=seed)
        fill(labelling, labels, 60)
        verdict = labelling.verdict()
        assert verdict.winner == verdict.leader == f"model-{true.argmax()}"
        assert verdict.confidence >= 0.95
        needed.append(verdict.labels)
    # 0.9 against 0.75: counting on random rows needs about 80 labels for the same confidence.
    assert np.mean(needed) <= 30


def test_labels_against_the_consensus_turn_it() -> None:
    """Two candidates that are wrong together outvote the right one, until labels tell."""
    random = np.random.default_rng(1)
    labels = random.integers(0, 3, 150)
    wrong = np.where(random.random(150) < 0.6, (labels + 1) % 3, labels)
    good, bad = np.eye(3)[labels] * 0.8 + 0.2 / 3, np.eye(3)[wrong] * 0.9 + 0.1 / 3
    candidates = [CandidateEvidence(name, CLASSES, value) for name, value in zip("abc", (good, bad, bad), strict=True)]
    labelling = Labelling.of(candidates)
    assert labelling.verdict().leader in {"b", "c"}
    fill(labelling, labels, 40)
    assert labelling.verdict().winner == "a"
    assert labelling.verdict().labels <= 20


def test_every_label_known_gives_the_truth() -> None:
    candidates, labels, true = made_up(3, rows=60)
    labelling = Labelling.of(candidates)
    for row, label in enumerate(labels):
        labelling.label(row, CLASSES[label])
    verdict = labelling.verdict()
    assert verdict.exhausted
    assert verdict.confidence == 1
    found = {standing.name: standing for standing in verdict.standings}
    for at, reach in enumerate(true):
        standing = found[f"model-{at}"]
        assert (standing.accuracy, standing.low, standing.high) == pytest.approx((reach, reach, reach))
        assert (standing.right, standing.labelled) == (round(reach * 60), 60)
    assert labelling.next_rows(5) == []


def test_every_label_known_gives_the_true_f1() -> None:
    random = np.random.default_rng(4)
    labels = (random.random(80) < 0.3).astype(int)
    values = [outputs(reach, labels, random, 2) for reach in (0.9, 0.7)]
    candidates = [CandidateEvidence(n, ("different", "same"), v) for n, v in zip("ab", values, strict=True)]
    labelling = Labelling.of(candidates, Metric("f1", "same"))
    for row, label in enumerate(labels):
        labelling.label(row, ("different", "same")[label])
    for at, name in enumerate("ab"):
        votes = values[at].argmax(axis=1)
        true = 2 * (votes & labels).sum() / (votes.sum() + labels.sum())
        (standing,) = [s for s in labelling.verdict().standings if s.name == name]
        assert standing.accuracy == pytest.approx(true)


def test_what_if_agrees_with_drawing_again() -> None:
    """The metric after a label is worked out by difference; counting anew must give the same."""
    random = np.random.default_rng(5)
    votes = random.integers(0, 3, (4, 30))
    for positive in (None, 1):
        slots = Slots.of(votes, np.full((30, 3), 1 / 3), positive)
        worlds = Worlds.draw(ClassPosterior(slots), slots, {}, 20, random, positive=positive)
        rows = np.array([0, 7, 29])
        shown = worlds._values_if(rows)
        for at, row in enumerate(rows):
            for slot in np.flatnonzero(slots.used[row]):
                drawn = worlds.drawn.copy()
                drawn[:, row] = slot
                classes = slots.classes[np.arange(30), drawn]  # [S, n]
                for candidate in range(4):
                    hits = classes == votes[candidate]
                    if positive is None:
                        expected = hits.mean(axis=1)
                    else:
                        named, actual = votes[candidate] == 1, (classes == 1).sum(axis=1)
                        expected = 2 * (hits & named).sum(axis=1) / np.maximum(named.sum() + actual, 1)
                    np.testing.assert_allclose(shown[:, at, slot, candidate], expected, atol=1e-6)


def test_rows_on_which_all_agree_are_never_chosen() -> None:
    candidates, _, _ = made_up(6)
    votes = np.stack([np.asarray(c.probabilities).argmax(axis=1) for c in candidates])
    same = set(np.flatnonzero((votes == votes[0]).all(axis=0)).tolist())
    labelling = Labelling.of(candidates)
    chosen = labelling.next_rows(25)
    assert len(set(chosen)) == 25
    assert not set(chosen) & same
    # Asking does not change what is known.
    assert labelling.next_rows(25) == chosen


def test_skipped_rows_are_not_asked_again_and_can_be_taken_back() -> None:
    candidates, _, _ = made_up(7)
    labelling = Labelling.of(candidates)
    (row,) = labelling.next_rows()
    labelling.skip(row)
    assert labelling.skipped == (row,)
    assert row not in labelling.next_rows(50)
    labelling.forget(row)
    assert labelling.next_rows() == [row]
    labelling.label(row, "dog")
    labelling.forget(row)
    assert labelling.labels == {}


def test_a_class_nobody_knows_counts_against_everybody() -> None:
    candidates, _, _ = made_up(8, rows=40)
    labelling = Labelling.of(candidates)
    for row in range(40):
        labelling.label(row, NO_CLASS)
    assert [standing.accuracy for standing in labelling.verdict().standings] == [0] * 4


def test_candidates_that_agree_everywhere_are_equally_good() -> None:
    value = outputs(0.8, np.zeros(30, int), np.random.default_rng(0))
    labelling = Labelling.of([CandidateEvidence(name, CLASSES, value) for name in "ab"])
    verdict = labelling.verdict()
    assert verdict.exhausted
    assert verdict.winner is not None
    assert [standing.best for standing in verdict.standings] == [0.5, 0.5]


def test_a_bad_candidate_does_not_fail_the_rest() -> None:
    candidates, _, _ = made_up(9)
    broken = CandidateEvidence("broken", CLASSES, np.full((200, 3), np.nan))
    other = CandidateEvidence("other", ("x", "y"), np.full((200, 2), 0.5))
    labelling = Labelling.of([*candidates, broken, other])
    assert set(labelling.problem.refused) == {"broken", "other"}
    assert len(labelling.verdict().standings) == 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"confidence": 1.0}, "confidence must lie above 0.5"),
        ({"tolerance": -0.1}, "tolerance must be at least 0"),
        ({"metric": Metric("f1", "fox")}, "no candidate knows the class 'fox'"),
    ],
)
def test_settings_out_of_range_are_refused(change: dict[str, object], message: str) -> None:
    candidates, _, _ = made_up(10)
    with pytest.raises(AccuracyError, match=message):
        Labelling.of(candidates, **change)  # type: ignore[arg-type]


def test_bad_labels_are_refused_and_nothing_is_lost() -> None:
    candidates, _, _ = made_up(11)
    labelling = Labelling.of(candidates)
    labelling.label(3, "cat")
    with pytest.raises(AccuracyError, match="no candidate knows the class 'cta'; they know cat, dog, eel"):
        labelling.label(4, "cta")
    with pytest.raises(AccuracyError, match="there is no row 200: the target has rows 0 to 199"):
        labelling.label(200, "cat")
    assert labelling.labels == {3: "cat"}


def test_too_few_candidates_are_refused() -> None:
    candidates, _, _ = made_up(12)
    with pytest.raises(AccuracyError, match="at least two"):
        Labelling.of(candidates[:1])
    with pytest.raises(AccuracyError, match="no candidate was run"):
        Labelling.of([CandidateEvidence("a", CLASSES)])
    with pytest.raises(AccuracyError, match="no candidate was run"):
        Labelling.of([])


def test_a_prior_of_another_shape_is_refused() -> None:
    with pytest.raises(AccuracyError, match="class chances of 5 rows"):
        Slots.of(np.zeros((2, 5), int), np.full((4, 3), 1 / 3))


def test_choosing_narrows_but_does_not_move_the_posterior() -> None:
    random = np.random.default_rng(13)
    votes = random.integers(0, 3, (3, 40))
    slots = Slots.of(votes, np.full((40, 3), 1 / 3))
    posterior = ClassPosterior(slots)
    posterior.fit([0, 1], [0, 0])
    before = posterior.draw(4_000, np.random.default_rng(0)).mean(axis=1)
    choose_rows(posterior, slots, {0: 0, 1: 0}, 8, draws=50, random=random)
    after = posterior.draw(4_000, np.random.default_rng(0))
    assert float(np.abs(after.mean(axis=1) - before).max()) < 0.08
    posterior.fit([0, 1], [0, 0])
    assert float(after.std(axis=1).mean()) < float(posterior.draw(4_000, random).std(axis=1).mean())


@pytest.mark.slow
def test_claimed_winners_are_seldom_wrong_though_candidates_err_together() -> None:
    """Thirty zoos whose candidates share their errors in part: at most 5 % of winners may be off, here one or two."""
    wrong = stopped = 0
    for seed in range(30):
        random = np.random.default_rng([seed, 99])
        labels = random.integers(0, 3, 150)
        shared = (labels + random.integers(1, 3, 150)) % 3
        candidates, true = [], []
        for at, reach in enumerate(random.uniform(0.5, 0.9, 5)):
            values = outputs(float(reach), labels, random)
            together = (random.random(150) < 0.15)[:, None]
            values = np.where(together, np.eye(3)[shared] * 0.7 + 0.1, values)
            candidates.append(CandidateEvidence(f"model-{at}", CLASSES, values))
            true.append(float((values.argmax(axis=1) == labels).mean()))
        labelling = Labelling.of(candidates, tolerance=0.02, seed=seed)
        fill(labelling, labels, 60)
        verdict = labelling.verdict()
        if verdict.winner is not None:
            stopped += 1
            wrong += max(true) - true[int(verdict.winner.removeprefix("model-"))] > 0.02 + 1e-9
    assert stopped >= 20
    assert wrong <= 3


def test_doubt_leaves_the_mean_of_the_chances_at_the_prior() -> None:
    random = np.random.default_rng(14)
    votes = np.where(random.random((8, 60)) < 0.8, 0, random.integers(0, 3, (8, 60)))
    slots = Slots.of(votes, np.tile([0.9, 0.06, 0.04], (60, 1)))
    drawn = ClassPosterior(slots).draw(4_000, random).mean(axis=1)  # [J, n]
    prior = np.exp(slots.log_prior).T * slots.used.T
    voted = slots.classes.T == 0
    assert float(np.abs(drawn - prior)[voted].mean()) < 0.04
