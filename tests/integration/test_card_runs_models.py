"""A card makes a real ONNX model runnable: rows in, probabilities out, the same as computed by hand."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import onnxruntime
import pyarrow as pa
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from scipy.special import softmax
from sklearn.feature_extraction.text import HashingVectorizer

from msearch_card import parse_card
from msearch_card.inputs import prepare
from msearch_card.outputs import probabilities
from search_service.artifacts import inspect

RANDOM = np.random.default_rng(11)
PIXELS = RANDOM.integers(0, 256, (4, 8, 8), np.uint8)
SERIES = RANDOM.normal(size=(4, 2, 5))
NUMBERS = RANDOM.normal(size=(4, 3))
TEXTS = ["a good film", "bad", "", "good, good and long"]


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


CASES: list[tuple[dict[str, Any], pa.RecordBatch, list[int], np.ndarray]] = [
    (
        {"kind": "image", "column": "x", "width": 8, "height": 8, "channels": 1, "mean": [0.5], "std": [0.25]},
        pa.record_batch({"x": [png(each) for each in PIXELS]}),
        [1, 8, 8],
        (PIXELS / 255 - 0.5) / 0.25,
    ),
    (
        {"kind": "text", "column": "x", "encoding": {"type": "hashing", "ngrams": [1, 2], "features": 32}},
        pa.record_batch({"x": TEXTS}),
        [32],
        HashingVectorizer(ngram_range=(1, 2), n_features=32).transform(TEXTS).toarray(),
    ),
    (
        {"kind": "time_series", "column": "x", "channels": 2, "length": 5, "layout": "TC"},
        pa.record_batch({"x": SERIES.tolist()}),
        [5, 2],
        SERIES.swapaxes(1, 2),
    ),
    (
        {"kind": "tabular", "columns": [{"name": name} for name in "cab"]},
        pa.record_batch(dict(zip("abc", NUMBERS.T, strict=True))),
        [3],
        NUMBERS[:, [2, 0, 1]],
    ),
    (
        {"kind": "embedding", "column": "x", "length": 3},
        pa.record_batch({"x": NUMBERS.tolist()}),
        [3],
        NUMBERS,
    ),
]


@pytest.mark.parametrize(("input", "batch", "shape", "tensor"), CASES, ids=[case[0]["kind"] for case in CASES])
def test_a_linear_model_gives_the_probabilities_computed_by_hand(
    input: dict[str, Any], batch: pa.RecordBatch, shape: list[int], tensor: np.ndarray
) -> None:
    weights = RANDOM.normal(size=(int(np.prod(shape)), 3)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["logits"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", *shape])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()
    card = parse_card(
        {"name": "m", "task": "classification", "modality": input["kind"], "classes": ["a", "b", "c"],
         "artifact": {"format": "onnx"}, "input": input, "output": {"kind": "logits", "temperature": 2}}
    )  # fmt: skip
    inspection = inspect(io.BytesIO(model), card)
    assert inspection.inputs is not None
    assert inspection.outputs is not None
    prepared = prepare(card, batch)
    assert prepared.kept.all()
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found = session.run(None, prepared.feed([one.name for one in inspection.inputs]))
    given = probabilities(card, {one.name: value for one, value in zip(inspection.outputs, found, strict=True)})
    np.testing.assert_allclose(given, softmax(tensor.reshape(4, -1) @ weights / 2, axis=1), rtol=1e-4)
