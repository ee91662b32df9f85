"""Canonical models: real ONNX networks, the same bytes everywhere, with a card that fits."""

import hashlib

import numpy as np
import onnx
import onnxruntime
import pytest

from msearch_card import parse_card
from msearch_experiments import ArchitectureError
from msearch_experiments.canonical import Architecture, canonical, card_of, families, onnx_bytes, plan_graph
from search_service.artifacts.inspection import inspect

SIZES = [(1, 16), (4, 32), (9, 24)]
# The digest of generated/FAMILY-2x16. Where one changes, GENERATOR_VERSION must be raised.
DIGESTS = {
    "cnn": "f7e7c2b47128f49b",
    "lstm": "2595a746b2ece910",
    "mlp": "dfce5b409dcc26cd",
    "resnet": "f84397b60e4eaa65",
    "transformer": "0d61c3fc0ce9f2c3",
}


def small(family, layers=2, width=16, **fields):
    return Architecture(family=family, layers=layers, width=width, **fields)


def open_session(data):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("family", families())
@pytest.mark.parametrize(("layers", "width"), SIZES)
def test_it_runs_with_any_batch_and_gives_finite_logits(family, layers, width):
    wanted = small(family, layers, width)
    data = onnx_bytes(wanted)
    onnx.checker.check_model(onnx.load_from_string(data), full_check=True)
    session = open_session(data)
    (taken,) = session.get_inputs()
    rows = np.random.default_rng(0).standard_normal((5, *taken.shape[1:])).astype(np.float32)
    (logits,) = session.run(None, {taken.name: rows})
    assert logits.shape == (5, 10)
    assert np.isfinite(logits).all()
    # It depends on its input, and a row's answer does not depend on the others of its batch.
    assert np.ptp(logits, axis=0).max() > 1e-6
    alone = np.concatenate([session.run(None, {taken.name: row[None]})[0] for row in rows])
    np.testing.assert_allclose(alone, logits, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("family", families())
def test_the_number_of_parameters_is_known_before_there_are_any(family):
    wanted = small(family, 4, 32)
    weights = onnx.load_from_string(onnx_bytes(wanted)).graph.initializer
    floats = [int(np.prod(weight.dims)) for weight in weights if weight.data_type == onnx.TensorProto.FLOAT]
    assert plan_graph(wanted).parameters == sum(floats)


@pytest.mark.parametrize("family", families())
def test_the_same_architecture_has_the_same_bytes(family):
    assert hashlib.sha256(onnx_bytes(small(family))).hexdigest()[:16] == DIGESTS[family]
    assert onnx_bytes(small(family, seed=2)) != onnx_bytes(small(family))


@pytest.mark.parametrize("family", families())
def test_its_card_fits_and_its_name_says_what_it_is(family, tmp_path):
    usual = families()[family].usual_input
    for wanted in (small(family), small(family, classes=3, seed=7)):
        path = tmp_path / "model.onnx"
        path.write_bytes(onnx_bytes(wanted))
        card = parse_card(card_of(wanted).canonical_json())
        assert inspect(path, card).outputs
    assert card_of(small(family)).identity == f"generated/{family}-2x16@1"
    assert card_of(small(family, input=usual)) == card_of(small(family))
    assert canonical(small(family, input=usual)) == small(family)
    assert card_of(small(family, classes=3, seed=7)).name == f"generated/{family}-2x16-c3-s7"


def test_another_input_is_part_of_the_name():
    assert card_of(small("resnet", input=(1, 28, 28))).name == "generated/resnet-2x16-in1x28x28"


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        (small("mlp", 256, 65536), "width"),
        (small("transformer", 1, 1 << 14), "width"),
        (small("transformer", 1, 16, input=(65536, 4)), "input"),
        (small("cnn", 1, 1024, input=(3, 8192, 8192)), "input"),
        (small("lstm", 1, 16, input=(0, 4)), "input"),
        (small("mlp", 257), "layers"),
        (small("mlp", seed=-1), "seed"),
        (small("perceptron"), "family"),
    ],
)
def test_what_cannot_fit_is_refused_before_a_weight_is_drawn(wanted, field, monkeypatch):
    monkeypatch.setattr("msearch_experiments.canonical.onnx_file.draw", None)
    with pytest.raises(ArchitectureError) as caught:
        onnx_bytes(wanted)
    assert caught.value.field == field
