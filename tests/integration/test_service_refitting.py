"""The predictor is fitted on the registry's own evidence, and every replica uses the newest."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from msearch.v1 import evaluation_service_pb2 as epb
from msearch_accuracy import Predictor, default_predictor
from msearch_accuracy.fitting import FitSettings
from search_service.domain.ports import Database
from search_service.storage import open_blob_store
from search_service.usecases.cross_evaluations import gather_evidence
from search_service.usecases.live_predictor import LOOK_EVERY_S, LivePredictor
from search_service.usecases.refitting import KEPT_VERSIONS, refit, refit_if_worthwhile
from tests.evaluation_at_work import SmallRegistry
from tests.forecasts_at_work import (
    fill_made_up,
    point_stream,
    put_target,
    rank,
    register_made_up,
    run_all,
    ticks_of,
)
from tests.made_up_accuracy import CLASSES, outputs, reach
from tests.service_in_process import service_in_process

QUICK = FitSettings(pseudo_targets=1, trees=8, fold_trees=4, jobs=1)
ROWS = 80


@pytest.fixture
def registry(tmp_path: Path, database: Database) -> Iterator[SmallRegistry]:
    """On each kind of database: six models of six domains; nothing is fitted by itself."""
    with service_in_process(tmp_path, database, refit_every_s="0") as running:
        running.service.refitter.settings = QUICK
        yield fill_made_up(running)


def cross_evaluate(registry: SmallRegistry, domains: range, numbers: bool = False) -> None:
    """Stores a validation sample of each of these domains, and what all models give on it."""
    for domain in domains:
        random = np.random.default_rng([9, domain])
        labels = random.integers(0, 3, ROWS)
        told = labels.tolist() if numbers else [CLASSES[label] for label in labels]
        sample = registry.put_validation_sample(
            point_stream(ticks_of(domain, labels, 9), told),
            f"model-{domain}",
            content=epb.PutEvaluationSampleRequest.CONTENT_POINTS,
        )
        for name in registry.models:
            values = outputs(reach(int(name[-1]), domain), labels, random)
            registry.add_outputs(name, sample.id, values, CLASSES)


def ask(registry: SmallRegistry, with_data: bool = False) -> epb.GetPredictorResponse:
    answer: epb.GetPredictorResponse = registry.stub.GetPredictor(epb.GetPredictorRequest(with_data=with_data))
    return answer


def test_a_registry_learns_from_its_own_evaluations(registry: SmallRegistry) -> None:
    assert ask(registry).info.version == "default"
    cross_evaluate(registry, range(6))
    answer = registry.stub.RefitPredictor(epb.RefitPredictorRequest())
    assert (answer.notice, answer.info.version, answer.info.own_evidence_count) == ("", "1", 30)
    found = ask(registry, with_data=True)
    assert found.info == answer.info
    assert hashlib.sha256(found.data).hexdigest() == found.info.digest
    predictor = Predictor.decode(found.data)
    assert set(default_predictor().workloads) < set(predictor.workloads)
    assert found.info.evidence_count > ask_default_evidence()
    assert not ask(registry).data
    target = put_target(registry, 2)
    run_all(registry, target, 2)
    ranking = rank(registry, target, sample_id=target.sample.id)
    assert {one.prediction.predictor_version for one in ranking.candidates} == {"1"}
    assert ranking.candidates[0].model.name == target.best


def ask_default_evidence() -> int:
    return max(form.pairs for form in default_predictor().forms.values())


def test_it_happens_by_itself_as_evidence_grows(registry: SmallRegistry) -> None:
    refitter = registry.running.service.refitter
    assert refit_if_worthwhile(refitter) is None
    cross_evaluate(registry, range(4))
    first = refit_if_worthwhile(refitter)
    assert first is not None
    assert (first.notice, first.in_use.version) == ("", "1")
    assert refit_if_worthwhile(refitter) is None, "nothing new"
    cross_evaluate(registry, range(4, 6))
    second = refit_if_worthwhile(refitter)
    assert second is not None
    assert second.in_use.version == "2"
    assert second.in_use.own_evidence_count == 30


def test_other_replicas_use_the_newest(registry: SmallRegistry, tmp_path: Path) -> None:
    now = [0.0]
    other = LivePredictor(registry.running.database, open_blob_store(str(tmp_path / "blobs")), lambda: now[0])
    assert other.current().version == "default"
    cross_evaluate(registry, range(4))
    own = refit(registry.running.service.refitter).in_use
    assert other.current().version == "default", "it looks only now and then"
    now[0] += LOOK_EVERY_S + 1
    assert (other.current().version, other.current().data) == ("1", own.data)


def test_old_versions_are_removed(registry: SmallRegistry, tmp_path: Path) -> None:
    cross_evaluate(registry, range(4))
    digests = []
    for seed in range(KEPT_VERSIONS + 1):
        registry.running.service.refitter.seed = seed
        digests.append(refit(registry.running.service.refitter).in_use.digest)
    blobs = open_blob_store(str(tmp_path / "blobs"))
    assert [blobs.exists(digest) for digest in digests] == [False, *[True] * KEPT_VERSIONS]


def test_too_little_evidence_leaves_the_predictor_before(registry: SmallRegistry) -> None:
    answer = registry.stub.RefitPredictor(epb.RefitPredictorRequest())
    assert "three models of other sources" in answer.notice
    assert answer.info.version == "default"
    for name in list(registry.models)[1:]:
        del registry.models[name]
    cross_evaluate(registry, range(1))
    answer = registry.stub.RefitPredictor(epb.RefitPredictorRequest())
    assert "three models of other sources" in answer.notice, "a single source says nothing of others"
    assert answer.info.version == "default"


def test_without_scikit_learn_it_says_what_to_install(registry: SmallRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    cross_evaluate(registry, range(3))
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    answer = registry.stub.RefitPredictor(epb.RefitPredictorRequest())
    assert "msearch[fit]" in answer.notice
    assert answer.info.version == "default"
    assert refit_if_worthwhile(registry.running.service.refitter) is None, "and does not try again in vain"


def test_numbers_as_labels_are_called_as_the_models_call_them(registry: SmallRegistry) -> None:
    cross_evaluate(registry, range(3), numbers=True)
    evidence = gather_evidence(registry.running.database, registry.running.blobs)
    (workload,) = evidence.workloads
    assert {str(label) for table in workload.tables for label in table.labels} == set(CLASSES)
    assert evidence.pairs == 15
    assert len(workload.models) == 6
    assert all(model.source is not None for model in workload.models)


def test_kinds_of_data_without_a_common_class_are_workloads_of_their_own(registry: SmallRegistry) -> None:
    cross_evaluate(registry, range(4))
    colours = ("red", "green", "blue")
    for domain in range(4):
        name = f"colours-{domain}"
        registry.models[name] = register_made_up(registry.running, name, domain, classes=colours, labels=colours)
    labels = np.arange(ROWS) % 3
    sample = registry.put_validation_sample(
        point_stream(ticks_of(0, labels, 9), [colours[label] for label in labels]),
        "colours-0",
        content=epb.PutEvaluationSampleRequest.CONTENT_POINTS,
    )
    for domain in range(4):
        values = outputs(0.8, labels, np.random.default_rng(domain))
        registry.add_outputs(f"colours-{domain}", sample.id, values, colours)
    evidence = gather_evidence(registry.running.database, registry.running.blobs)
    assert [len(workload.tables) for workload in evidence.workloads] == [4, 1]
    assert [len(workload.models) for workload in evidence.workloads] == [6, 4]
    done = refit(registry.running.service.refitter)
    assert (done.notice, done.in_use.own_evidence_count) == ("", 4 * 5 + 3)


def test_rows_that_a_model_did_not_take_are_left_out(registry: SmallRegistry) -> None:
    cross_evaluate(registry, range(1))
    sample_id = registry.evaluations()[0].sample_id
    values = np.tile([0.5, 0.25, 0.25], (ROWS, 1))
    values[:4] = np.nan
    registry.add_outputs("model-1", sample_id, values, CLASSES)
    values[:] = np.nan
    registry.add_outputs("model-2", sample_id, values, CLASSES)
    (workload,) = gather_evidence(registry.running.database, registry.running.blobs).workloads
    (table,) = workload.tables
    names = {registry.models[name].id for name in registry.models if name != "model-2"}
    assert set(table.probabilities) == names
    assert {len(values) for values in table.probabilities.values()} == {ROWS - 4} == {len(table.labels)}
