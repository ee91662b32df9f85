"""Records of known models, and the pseudo-targets that a predictor learns from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from msearch_accuracy.problem import pose
from msearch_accuracy.pseudo_targets import draw_pseudo_targets, records_of
from msearch_accuracy.records import Record, consult
from tests.made_up_accuracy import made_up_target, made_up_workload


def _folds(domains: int) -> dict[str, int]:
    return {f"source-{domain}": domain % 2 for domain in range(domains)}


def test_a_record_counts_what_each_model_got_right() -> None:
    workload = made_up_workload(domains=3)
    record, table = records_of(workload)[1], workload.tables[1]
    for name, outputs in table.probabilities.items():
        votes = np.array(record.classes, object)[np.asarray(outputs).argmax(axis=1)]
        assert np.trace(record.confusions[name]) == (votes == table.labels).sum()
        assert record.confusions[name].sum() == len(table.labels)


def test_the_class_of_a_row_follows_from_votes_whose_reliability_is_recorded() -> None:
    workload = made_up_workload(domains=4)
    candidates, target, true = made_up_target(1, domains=4)
    problem = pose(candidates, target, run=True)
    repute = consult(problem, records_of(workload), run=True)
    assert repute is not None
    expected = repute.posterior[np.arange(len(problem.rows))[None], problem.votes].mean(axis=1)
    assert np.abs(expected - true).max() < 0.1
    assert np.allclose(repute.posterior.sum(axis=1), 1)
    silent = consult(problem, records_of(workload), run=False)
    assert silent is not None
    assert silent.expected.mean(axis=1).argmax() == true.argmax()


def test_records_of_others_models_say_nothing() -> None:
    candidates, target, _ = made_up_target(1)
    strangers = [replace(candidate, name=f"other {candidate.name}") for candidate in candidates]
    assert consult(pose(strangers, target, run=True), records_of(made_up_workload()), run=True) is None


def test_a_record_of_another_feature_space_is_passed_over() -> None:
    candidates, target, _ = made_up_target(1)
    record = records_of(made_up_workload())[0]
    wider = Record(record.group, record.classes, np.zeros((3, 99), np.int16), np.zeros(3, np.int16), record.confusions)
    assert consult(pose(candidates, target, run=True), [wider], run=True) is None


def test_a_record_whose_rows_are_of_other_classes_is_passed_over() -> None:
    candidates, target, _ = made_up_target(1)
    record = records_of(made_up_workload())[0]
    classes = ("cat", "fox")
    strange = Record(
        record.group,
        classes,
        record.centroids,
        np.ones(len(record.labels), np.int16),
        {"model-0": np.eye(2, dtype=np.float32) * 9},
    )
    assert consult(pose(candidates, target, run=False), [strange], run=False) is None


def test_a_model_without_a_record_does_not_disturb_the_others() -> None:
    candidates, target, _ = made_up_target(1)
    records = records_of(made_up_workload())
    alone = consult(pose(candidates, target, run=False), records, run=False)
    more = [*candidates, replace(candidates[0], name="new")]
    beside = consult(pose(more, target, run=False), records, run=False)
    assert alone is not None
    assert beside is not None
    assert beside.known.tolist() == [True] * 6 + [False]
    assert np.allclose(alone.expected, beside.expected[:-1])


@pytest.mark.parametrize("seed", [0, 1])
def test_a_new_pseudo_target_knows_nothing_of_its_groups(seed: int) -> None:
    workload = made_up_workload(domains=5)
    groups = {model.name: model.group for model in workload.models}
    for pseudo in draw_pseudo_targets(workload, _folds(5), np.random.default_rng(seed), 3):
        assert len({_folds(5)[group] for group in pseudo.groups}) == 1
        shown = {groups[candidate.name] for candidate in pseudo.candidates}
        recorded = {record.group for record in pseudo.records}
        assert not pseudo.known or pseudo.groups <= shown & (recorded or shown)
        assert pseudo.known or not pseudo.groups & (shown | recorded)


def test_no_row_of_a_seen_pseudo_target_is_in_a_record() -> None:
    """Two tables that share all rows: the record of neither may hold what the other asks about."""
    workload = made_up_workload(domains=2)
    first, second = workload.tables
    shared = replace(second, ticks=first.ticks, labels=first.labels)
    workload = replace(workload, tables=(first, shared))
    drawn = [pseudo for pseudo in draw_pseudo_targets(workload, _folds(2), np.random.default_rng(0), 0) if pseudo.known]
    assert any(pseudo.records for pseudo in drawn)
    for pseudo in drawn:
        if not pseudo.records:
            continue
        counted = sum(int(record.confusions["model-0"].sum()) for record in pseudo.records)
        assert len(pseudo.labels) + counted / len(pseudo.records) == len(first.labels)


def test_of_many_tables_as_many_records_are_kept_as_a_predictor_can_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    workload = made_up_workload(domains=5)
    assert len(records_of(workload)) == 5
    monkeypatch.setattr("msearch_accuracy.pseudo_targets._MOST_COUNTS", 2 * 5 * 3**2)
    assert [record.group for record in records_of(workload)] == ["source-0", "source-4"]
