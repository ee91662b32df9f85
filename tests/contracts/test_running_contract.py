"""Every model of the example zoo gives, run as its card says, what the zoo's own code gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from examples.zoo.locations import zoo_folder
from examples.zoo.reading import read_truth
from examples.zoo.running import Runner, open_session
from msearch_card import load_card
from msearch_running import run_model, validate

WORKLOADS = ("activity", "images", "matching", "sentiment", "topics")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not zoo_folder().is_dir(), reason="the example zoo is not built: python -m examples.zoo build"),
]


def models(workload: str) -> list[Path]:
    return sorted((zoo_folder() / workload / "cards").glob("*.yaml"))


@pytest.mark.parametrize("workload", WORKLOADS)
def test_zoo_models_give_the_zoos_own_predictions(workload: str) -> None:
    folder = zoo_folder() / workload
    target = next(iter(read_truth(folder).targets))
    rows = pq.read_table(folder / "targets" / f"{target}.parquet")
    own = Runner(rows)
    assert models(workload)
    for path in models(workload):
        card, artifact = load_card(path), folder / "models" / f"{path.stem}.onnx"
        outputs = run_model(card, artifact, rows)
        assert outputs.named_votes() == own.predict(card, open_session(artifact.read_bytes())), card.name
        assert outputs.skipped == 0
        np.testing.assert_allclose(outputs.probabilities.sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("workload", WORKLOADS)
def test_validation_of_zoo_models_gives_the_accuracy_that_their_cards_claim(workload: str) -> None:
    folder = zoo_folder() / workload
    for path in models(workload):
        card = load_card(path)
        rows = pq.read_table(folder / "validation" / f"{path.stem}.parquet")
        outputs = run_model(card, folder / "models" / f"{path.stem}.onnx", rows)
        found = validate(outputs, rows.column("label").to_pylist())
        claimed = next(metric.value for metric in card.metrics if metric.name == "accuracy")
        assert found.statistics.accuracy == pytest.approx(claimed, abs=1e-6), card.name
        assert found.statistics.count == rows.num_rows
        assert sum(found.class_prior) == pytest.approx(1)
