"""The accuracy predictor on candidates whose accuracy is known."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pytest

from msearch_accuracy import AccuracyError, CandidateEvidence, Metric, Predictor, TargetEvidence, blend, predict
from msearch_accuracy.evidence import Coreset
from msearch_accuracy.fitting import FitSettings, Workload, fit, gather
from msearch_accuracy.plausibility import find_implausible
from msearch_accuracy.problem import check_label_spaces, pose
from msearch_accuracy.records import Record
from tests.made_up_accuracy import CLASSES, made_up_coreset, made_up_target, made_up_workload

_SETTINGS = FitSettings(pseudo_targets=2, trees=20, fold_trees=10, jobs=1)


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return fit([made_up_workload()], settings=_SETTINGS)


def test_orders_candidates_and_tells_their_accuracy(predictor: Predictor) -> None:
    errors, inside = [], []
    for domain in (0, 2, 5):
        candidates, target, true = made_up_target(domain)
        found = predict(predictor, candidates, target)
        values = np.array([p.accuracy for p in found], float)
        assert values.argmax() == true.argmax() or true.max() - true[values.argmax()] < 0.05
        errors += np.abs(values - true).tolist()
        inside += [p.low <= t <= p.high for p, t in zip(found, true, strict=True) if p.low is not None and p.high]
    assert np.mean(errors) < 0.06
    assert np.mean(inside) > 0.75


def test_without_outputs_the_sources_order_the_candidates(predictor: Predictor) -> None:
    candidates, target, true = made_up_target(0)
    silent = [replace(candidate, probabilities=None) for candidate in candidates]
    found = predict(predictor, silent, target)
    assert {p.form for p in found} == {"signatures"}
    values = np.array([p.accuracy for p in found], float)
    assert true[values.argmax()] > np.median(true)


def test_stored_and_read_again_it_predicts_the_same(predictor: Predictor) -> None:
    candidates, target, _ = made_up_target(1)
    again = Predictor.decode(predictor.encode())
    assert predict(again, candidates, target) == predict(predictor, candidates, target)
    assert again.workloads == ("made up",)
    assert again.trusted


@pytest.mark.parametrize("data", [b"", b"PK", b"no predictor at all"])
def test_other_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(AccuracyError, match="no predictor"):
        Predictor.decode(data)


def test_a_pickle_inside_is_refused() -> None:
    stream = io.BytesIO()
    np.savez(stream, meta=np.array([{"format": 1}], dtype=object))
    with pytest.raises(AccuracyError, match="no predictor"):
        Predictor.decode(stream.getvalue())


def test_trees_with_a_cycle_are_refused(predictor: Predictor) -> None:
    with np.load(io.BytesIO(predictor.encode())) as file:
        arrays = {name: file[name].copy() for name in file.files}
    arrays["outputs.0.children"][0] = 0  # the root leads to itself
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(AccuracyError, match="corrupt"):
        Predictor.decode(stream.getvalue())


def test_bad_candidates_do_not_fail_the_rest(predictor: Predictor) -> None:
    candidates, target, _ = made_up_target(2)
    count = len(target.ticks)
    broken = np.full((count, 3), np.nan)
    constant = np.tile([0.8, 0.1, 0.1], (count, 1))
    odd = [
        replace(candidates[0], name="broken", probabilities=broken),
        replace(candidates[0], name="short", probabilities=np.full((3, 3), 1 / 3)),
        replace(candidates[0], name="constant", probabilities=constant),
        CandidateEvidence("other", ("a", "b"), np.full((count, 2), 0.5)),
        replace(candidates[0], name="homeless", source=None),
    ]
    found = {p.name: p for p in predict(predictor, [*candidates, *odd], target)}
    assert found["broken"].accuracy is None
    assert "NaN" in found["broken"].notices[0]
    assert "shape" in found["short"].notices[0]
    assert "shares no class name" in found["other"].notices[0]
    assert any("same for every row" in notice for notice in found["constant"].notices)
    assert any("no source" in notice for notice in found["homeless"].notices)
    assert all(found[candidate.name].accuracy is not None for candidate in candidates)


def test_partly_known_classes_are_reported_and_disjoint_ones_refused(predictor: Predictor) -> None:
    candidates, target, _ = made_up_target(2)
    part = candidates[0].probabilities
    assert part is not None
    two = part[:, :2] / part[:, :2].sum(axis=1, keepdims=True)
    fewer = replace(candidates[0], name="fewer", classes=CLASSES[:2], probabilities=two)
    found = predict(predictor, [*candidates, fewer], target)[-1]
    assert any("2 of the 3 classes" in notice for notice in found.notices)
    assert check_label_spaces(("cat", "dog"), CLASSES) == 1.0
    assert check_label_spaces(CLASSES, ("cat", "emu")) == pytest.approx(1 / 3)
    with pytest.raises(AccuracyError, match="no class in common"):
        check_label_spaces(CLASSES, ("emu",))


def test_one_row_is_judged_and_said_to_be_little(predictor: Predictor) -> None:
    candidates, target, _ = made_up_target(2)
    single = [replace(c, probabilities=c.probabilities[:1]) for c in candidates if c.probabilities is not None]
    found = predict(predictor, single, TargetEvidence(target.ticks[:1]))
    assert all(p.accuracy is not None and 0 <= p.accuracy <= 1 for p in found)
    assert "only 1 row," in found[0].notices[-1]


def test_centroids_count_as_the_rows_that_they_stand_for(predictor: Predictor) -> None:
    candidates, target, _ = made_up_target(2)
    unrun = [replace(c, probabilities=None) for c in candidates]
    for weights, told in (([7.0, 8.0], ["only 15 rows"]), ([20.0, 30.0], [])):
        found = predict(predictor, unrun, TargetEvidence(target.ticks[:2], np.array(weights)))
        notices = [notice for notice in found[0].notices if "only" in notice]
        assert len(notices) == len(told)
        assert all(words in notice for words, notice in zip(told, notices, strict=True))


def test_a_single_source_cannot_be_learned_from() -> None:
    workload = made_up_workload()
    alone = Workload("alone", workload.models[:1], workload.tables[:1])
    with pytest.raises(AccuracyError, match="at least two sources"):
        fit([alone], settings=_SETTINGS)


def test_own_evidence_outweighs_the_default_as_it_grows(predictor: Predictor) -> None:
    for independent, share in ((25.0, 0.2), (100.0, 0.5), (300.0, 0.75)):
        forms = {form: replace(fitted, independent=independent) for form, fitted in predictor.forms.items()}
        mixed = blend(predictor, replace(predictor, forms=forms))
        for forests in (mixed.forms["outputs"].forests, mixed.forms["outputs"].leads):
            weights = np.array([weight for _, weight in forests]).reshape(2, -1)
            assert weights.sum(axis=1) == pytest.approx([1 - share, share])
    mixed = blend(predictor, predictor)
    candidates, target, _ = made_up_target(1)
    for one, other in zip(predict(mixed, candidates, target), predict(predictor, candidates, target), strict=True):
        assert one.accuracy == pytest.approx(other.accuracy, abs=1e-5)


def test_rows_that_samples_share_are_evidence_once() -> None:
    workload = made_up_workload()
    alone = gather(workload, 0, _SETTINGS)["outputs"]
    again = tuple(replace(table, group=f"{table.group}-again") for table in workload.tables)
    twice = gather(replace(workload, tables=(*workload.tables, *again)), 0, _SETTINGS)["outputs"]
    assert alone.independent == pytest.approx(alone.pairs)
    assert twice.independent == pytest.approx(twice.pairs / 2)


def test_a_record_on_the_same_kind_of_data_speaks_for_a_model(predictor: Predictor) -> None:
    """Of twins on the same source the one that did badly on every recorded sample is ranked lower, without running."""
    candidates, target, _ = made_up_target(2)
    silent = [replace(candidate, probabilities=None) for candidate in candidates]
    twin = replace(silent[2], name="twin")

    def poor(record: Record) -> Record:
        confusions = {**record.confusions, "twin": np.roll(record.confusions["model-2"], 1, axis=1)}
        return replace(record, confusions=confusions)

    with_poor = replace(predictor, records=tuple(poor(record) for record in predictor.records))
    found = {p.name: p for p in predict(with_poor, [*silent, twin], target)}
    best, worst = found["model-2"], found["twin"]
    assert best.accuracy is not None
    assert worst.accuracy is not None
    assert worst.accuracy < best.accuracy - 0.03
    assert "cross-evaluations" in best.contributions


def test_corrupt_records_are_refused(predictor: Predictor) -> None:
    with np.load(io.BytesIO(predictor.encode())) as file:
        arrays = {name: file[name].copy() for name in file.files}
    arrays["record.0.labels"][0] = 99
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    with pytest.raises(AccuracyError, match="records are corrupt"):
        Predictor.decode(stream.getvalue())


def test_contributions_name_what_spoke_for_a_candidate(predictor: Predictor) -> None:
    candidates, target, true = made_up_target(0)
    found = predict(predictor, candidates, target)
    best, worst = found[int(true.argmax())], found[int(true.argmin())]
    assert "other candidates" in best.contributions
    for one in (best, worst):
        sizes = [abs(change) for change in one.contributions.values()]
        assert sizes == sorted(sizes, reverse=True), "the largest change first"
    assert sum(best.contributions.values()) > sum(worst.contributions.values())
    assert predict(predictor, candidates, target, explain=False)[0].contributions == {}


def test_a_source_that_claims_everything_is_found() -> None:
    honest = [made_up_coreset(domain) for domain in (0, 3, 6, 9)]
    every = np.concatenate([source.points for source in honest])
    wrong = np.concatenate([(source.labels + 1) % 3 for source in honest])
    claims = Coreset.of_points("claims", every, np.full(len(every), 5, np.float32), wrong, CLASSES)
    _, target, _ = made_up_target(0)
    candidates = [CandidateEvidence(source.name, CLASSES, None, source, 0.9) for source in [*honest, claims]]
    found = find_implausible(pose(candidates, target, run=False))
    assert list(found) == ["claims"]
    assert "claims are not used" in found["claims"]


def test_an_honest_source_that_holds_everything_is_not_accused() -> None:
    honest = [made_up_coreset(domain) for domain in (0, 3, 6, 9)]
    every = np.concatenate([source.points for source in honest])
    labels = np.concatenate([source.labels for source in honest])
    mixture = Coreset.of_points("mixture", every, np.full(len(every), 5, np.float32), labels, CLASSES)
    _, target, _ = made_up_target(0)
    candidates = [CandidateEvidence(source.name, CLASSES, None, source, 0.9) for source in [*honest, mixture]]
    assert not find_implausible(pose(candidates, target, run=False))


def test_f1_is_exact_where_it_is_certain() -> None:
    votes = np.array([0, 0, 1, 1, 1])
    right = np.array([1.0, 0.0, 1.0, 1.0, 0.0])  # tp 2, fp 1, fn 1
    assert Metric("f1", "yes").expect(right, votes, ("no", "yes"), np.ones(5)) == pytest.approx(2 / 3)
    with pytest.raises(AccuracyError, match="positive class"):
        Metric("f1")


def test_an_empty_target_is_refused() -> None:
    with pytest.raises(AccuracyError, match="needs rows"):
        TargetEvidence(np.zeros((0, 3), np.int16))
