"""What every featuriser that discovery finds must keep to, on small made data of its modality."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from msearch_sketch.datasets import Dataset, open_dataset
from msearch_sketch.errors import DatasetError, SpaceError
from msearch_sketch.featurisers import default_featuriser, featurisers, get_featuriser
from msearch_sketch.featurisers.base import Columns
from msearch_sketch.spaces import CLIP_TICKS, MODALITIES, FeatureSpace

ROWS = 40
FEATURISERS = {f"{featuriser.name}@{featuriser.version}": featuriser for featuriser in featurisers()}


def _png(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _words(seed: int) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(["alpha", "beta", "gamma", "delta", "Straße", "naïve", "42", "7.5"], 6))


def make_table(modality: str, rows: int = ROWS, variant: str = "") -> pa.Table:
    """Data of a modality; `variant` "wide" has another schema of the same modality."""
    rng = np.random.default_rng(7)
    match modality:
        case "image":
            return pa.table({"image": pa.array([_png(i) for i in range(rows)], pa.binary())})
        case "text":
            return pa.table({"text": [_words(i) for i in range(rows)]})
        case "tabular":
            columns = {
                "n": rng.normal(size=rows),
                "m": rng.integers(0, 9, rows),
                "flag": rng.random(rows) < 0.5,
                "kind": pa.array(rng.choice(["a", "b", "c"], rows)).dictionary_encode(),
            }
            return pa.table(columns | ({"extra": rng.normal(size=rows)} if variant else {}))
        case "time_series":
            channels = 4 if variant else 3
            return pa.table({"x": [rng.normal(size=(channels, 50 + i)).tolist() for i in range(rows)]})
        case "pairs":
            return pa.table(
                {f"{side}_t": [_words(i + k) for i in range(rows)] for k, side in enumerate(("left", "right"))}
            )
        case "embedding":
            width = 9 if variant else 8
            return pa.table({"v": pa.FixedSizeListArray.from_arrays(rng.normal(size=rows * width), width)})
    raise AssertionError(f"no made data for modality {modality}")


def make_space(featuriser, dataset: Dataset) -> FeatureSpace:
    fixed = featuriser.fixed_space(dataset.columns)
    return fixed if fixed is not None else featuriser.fit_space(dataset.columns, dataset.batches())


def transform(featuriser, dataset: Dataset, space: FeatureSpace, rows: int | None = None):
    batches = [featuriser.transform(batch, dataset.columns, space) for batch in dataset.batches(rows)]
    return np.concatenate([batch.ticks for batch in batches]), np.concatenate([batch.kept for batch in batches])


@pytest.fixture(params=sorted(FEATURISERS))
def featuriser(request):
    return FEATURISERS[request.param]


@pytest.fixture
def dataset(featuriser):
    return open_dataset(make_table(featuriser.modality), modality=featuriser.modality)


def test_every_modality_has_a_default_featuriser():
    for modality in MODALITIES:
        assert default_featuriser(modality).modality == modality


def test_its_name_finds_it(featuriser):
    assert get_featuriser(f"{featuriser.name}@{featuriser.version}") is featuriser


def test_its_space_survives_its_document(featuriser, dataset):
    space = make_space(featuriser, dataset)
    assert space.featuriser == f"{featuriser.name}@{featuriser.version}"
    assert space.modality == featuriser.modality
    assert FeatureSpace.from_document(space.document) == space


def test_features_have_the_right_shape_type_and_range(featuriser, dataset):
    space = make_space(featuriser, dataset)
    ticks, kept = transform(featuriser, dataset, space)
    assert ticks.dtype == np.int16
    assert ticks.shape == (ROWS, space.dimension)
    assert kept.dtype == np.bool_
    assert kept.all()
    assert np.abs(ticks).max() <= CLIP_TICKS
    assert len(np.unique(ticks, axis=0)) > ROWS // 2


def test_batch_boundaries_do_not_show(featuriser, dataset):
    space = make_space(featuriser, dataset)
    whole, _ = transform(featuriser, dataset, space)
    pieces, _ = transform(featuriser, dataset, space, rows=7)
    np.testing.assert_array_equal(whole, pieces)


def test_slices_of_a_batch_are_read_where_they_are(featuriser, dataset):
    space = make_space(featuriser, dataset)
    (batch,) = dataset.batches(ROWS)
    whole = featuriser.transform(batch, dataset.columns, space)
    part = featuriser.transform(batch.slice(11, 5), dataset.columns, space)
    np.testing.assert_array_equal(part.ticks, whole.ticks[11:16])


def test_an_empty_batch_has_no_features(featuriser, dataset):
    space = make_space(featuriser, dataset)
    (batch,) = dataset.batches(ROWS)
    empty = featuriser.transform(batch.slice(0, 0), dataset.columns, space)
    assert empty.ticks.shape == (0, space.dimension)
    assert empty.ticks.dtype == np.int16
    assert empty.kept.shape == (0,)


def test_missing_rows_are_kept_or_skipped_with_a_reason(featuriser, dataset):
    space = make_space(featuriser, dataset)
    (batch,) = dataset.batches(ROWS)
    holes = [pa.array([None, *column.to_pylist()[1:]], column.type) for column in batch.columns]
    found = featuriser.transform(pa.RecordBatch.from_arrays(holes, schema=batch.schema), dataset.columns, space)
    assert found.kept[1:].all()
    assert len(found.ticks) == found.kept.sum()
    assert bool(found.problem) != bool(found.kept[0])


def test_a_fitted_space_refuses_other_columns(featuriser, dataset):
    space = make_space(featuriser, dataset)
    if featuriser.fixed_space(dataset.columns) is not None:
        pytest.skip(f"the space of {featuriser.name} is not tied to a schema")
    other = open_dataset(make_table(featuriser.modality, variant="wide"))
    with pytest.raises(SpaceError):
        transform(featuriser, other, space)


def test_a_fitted_space_refuses_damaged_parameters(featuriser, dataset):
    space = make_space(featuriser, dataset)
    if featuriser.fixed_space(dataset.columns) is not None:
        pytest.skip(f"the space of {featuriser.name} has no fitted parameters")
    (batch,) = dataset.batches(ROWS)
    for name in space.parameters:
        for damage in ([], "text", [float("nan")] * 3, None):
            damaged = FeatureSpace.from_document(space.document)
            damaged.parameters[name] = damage
            with pytest.raises(SpaceError, match=name):
                featuriser.transform(batch, dataset.columns, damaged)


def test_fit_is_refused_without_rows_or_where_the_space_is_fixed(featuriser, dataset):
    with pytest.raises((SpaceError, DatasetError)):
        featuriser.fit_space(dataset.columns, iter(()))


def test_a_column_of_another_type_is_refused(featuriser, dataset):
    space = make_space(featuriser, dataset)
    wrong = pa.array([pa.scalar({"a": 1.0}).as_py()] * 3, pa.struct([("a", pa.float64())]))
    if featuriser.modality == "pairs":
        wrong = pa.array([b"\xff\xfe"] * 3, pa.binary())
    names = list(dataset.columns.names)
    batch = pa.RecordBatch.from_arrays([wrong] * len(names), names=names)
    with pytest.raises((DatasetError, SpaceError)):
        featuriser.transform(batch, dataset.columns, space)


_SCRIPT = """
import sys
sys.path.insert(0, sys.argv[1])
from test_featuriser_contract import FEATURISERS, make_space, make_table, transform
from msearch_sketch.datasets import open_dataset
import hashlib
for name, featuriser in sorted(FEATURISERS.items()):
    dataset = open_dataset(make_table(featuriser.modality), modality=featuriser.modality)
    space = make_space(featuriser, dataset)
    ticks, _ = transform(featuriser, dataset, space)
    print(name, space.digest, hashlib.sha256(ticks.tobytes()).hexdigest())
"""


def test_another_process_finds_the_same_features(request):
    """Two interpreters with other hash seeds: nothing depends on the order of a set or the address of an object."""
    outputs = []
    for seed in ("1", "2"):
        environment = {"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(filter(None, sys.path)), "OMP_NUM_THREADS": seed}
        command = [sys.executable, "-c", _SCRIPT, str(request.path.parent)]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        outputs.append(run.stdout)
    assert outputs[0] == outputs[1]
    assert outputs[0].count("\n") == len(FEATURISERS)


def test_columns_are_sorted_pairs():
    assert Columns(("b", "a"), ("float", "string")).schema == (("a", "string"), ("b", "float"))
