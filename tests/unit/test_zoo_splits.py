"""Sources, validation samples and targets share no row: in the splitting code, and in the zoo that is built here."""

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.zoo.activity import _cut
from examples.zoo.building import RECIPES
from examples.zoo.locations import zoo_folder
from examples.zoo.matching import _Pairs
from examples.zoo.reading import read_models, read_truth, target_path
from examples.zoo.running import Runner, measure, open_session
from examples.zoo.texts import Texts
from msearch_card import load_card


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60))
def test_no_group_of_texts_is_split(groups):
    names = tuple(map(str, groups))
    texts = Texts(tuple(str(row) for row in range(len(groups))), ("a",) * len(groups), names)
    parts = texts.split("some texts", (0.5, 0.2, 0.3))
    assert sorted(itertools.chain.from_iterable(part.texts for part in parts)) == sorted(texts.texts)
    for first, second in itertools.combinations(parts, 2):
        assert not set(first.groups) & set(second.groups)


def test_two_tasks_split_a_shared_record_alike():
    def task(offset: int) -> _Pairs:
        titles = [f"record {row}" for row in range(offset, offset + 300)]
        rows = pa.table({"left": titles, "right": titles})
        return _Pairs(rows=rows, labels=("same",) * 300, groups=tuple(titles), licence="MIT")

    first, second = task(0).split("one"), task(150).split("two")
    for part, other in itertools.permutations(range(3), 2):
        assert not set(first[part].groups) & set(second[other].groups)
    assert sum(len(part.groups) for part in first) == 300
    assert all(len(part.groups) > 20 for part in first)


def test_windows_of_different_parts_share_no_sample():
    steps = 2000
    series = np.arange(steps * 6, dtype=np.float64).reshape(steps, 6)
    watch = {
        "X": [series, series + 1e6], "y": np.array([0, 1]), "y_labels": ["A", "B"],
        "subject": np.array([1, 1]), "side": np.array([0.0, 0.0]),
    }  # fmt: skip
    parts = _cut(watch, 1, 0)
    samples = {part: set(windows.values.ravel().tolist()) for part, windows in parts.items()}
    for first, second in itertools.combinations(samples, 2):
        assert samples[first]
        assert not samples[first] & samples[second]
    assert set(parts["train"].labels) == {"A", "B"}


def built(recipe) -> Path:
    folder = zoo_folder() / recipe.name
    if not (folder / "built-from").is_file():
        pytest.skip(f"the workload {recipe.name} is not built here: run `python -m examples.zoo build`")
    return folder


def digests(path: Path) -> set[str]:
    rows = pq.read_table(path)
    data = rows.select([name for name in rows.column_names if name != "label"])
    return {hashlib.sha256(repr(sorted(row.items())).encode()).hexdigest() for row in data.to_pylist()}


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_no_row_of_a_built_target_is_in_a_source_or_validation_sample(recipe):
    folder = built(recipe)
    known = set().union(*(digests(path) for part in ("sources", "validation") for path in (folder / part).iterdir()))
    targets = list((folder / "targets").iterdir())
    assert targets
    for path in targets:
        assert not digests(path) & known, path.name


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_the_built_workload_is_complete(recipe):
    folder, truth = built(recipe), read_truth(built(recipe))
    models = read_models(folder)
    assert recipe.demo_target in truth.targets
    assert len(models) >= 12
    for target, entry in truth.targets.items():
        names = pq.read_schema(target_path(folder, target)).names
        assert "label" not in names
        assert set(entry["candidates"]) == {model.name for model in models}
    sampled = [model.data for model in models if model.data is not None]
    assert all(pq.read_metadata(path).num_rows <= 2000 for path in sampled)


@pytest.mark.slow
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_a_built_card_claims_what_its_artifact_reaches(recipe):
    folder = built(recipe)
    for model in read_models(folder)[::4]:
        card = load_card(folder / "cards" / f"{model.name}.yaml")
        rows = pq.read_table(folder / "validation" / f"{model.name}.parquet")
        session = open_session((folder / "models" / f"{model.name}.onnx").read_bytes())
        predicted = Runner(rows).predict(card, session)
        positive = card.classes[-1] if recipe.name == "matching" else None
        claimed = {metric.name: metric.value for metric in card.metrics}
        assert claimed == measure(predicted, rows.column("label").to_pylist(), positive)
