"""Damaged artifacts: the inspection passes or refuses them, and nothing else."""

from __future__ import annotations

import io

import numpy as np
import onnx
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from msearch_card import Card, parse_card
from search_service.artifacts import Inspection, inspect
from search_service.artifacts.matching import mismatches
from search_service.domain.errors import InvalidArgument, Reason


def card_of(format: str) -> Card:
    return parse_card(
        {"name": "m", "task": "classification", "modality": "embedding", "classes": ["a", "b", "c"],
         "artifact": {"format": format}, "input": {"kind": "embedding", "column": "v", "length": 4},
         "output": {"kind": "logits"}}
    )  # fmt: skip


def small_model() -> bytes:
    branch = helper.make_graph(
        [helper.make_node("Constant", [], ["k"], value=helper.make_tensor("k", TensorProto.INT64, [2], [1, 300]))],
        "branch", [], [helper.make_tensor_value_info("k", TensorProto.INT64, [2])],
    )  # fmt: skip
    graph = helper.make_graph(
        [
            helper.make_node("If", ["condition"], ["k"], then_branch=branch, else_branch=branch),
            helper.make_node("Gemm", ["x", "w", "b"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
        [
            numpy_helper.from_array(np.ones((4, 3), np.float32), "w"),
            helper.make_tensor("b", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0]),
        ],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


MODEL = small_model()
ONNX, TORCH = card_of("onnx"), card_of("torch_export")


def outcome(content: bytes, card: Card) -> Inspection | InvalidArgument:
    try:
        return inspect(io.BytesIO(content), card)
    except InvalidArgument as error:
        return error


def check_refusal(error: Inspection | InvalidArgument) -> None:
    assert isinstance(error, InvalidArgument)
    assert error.reason is Reason.INVALID_ARTIFACT
    assert error.fields
    assert all(path and problem for path, problem in error.fields)


def check(found: Inspection | InvalidArgument) -> None:
    if isinstance(found, InvalidArgument):
        check_refusal(found)
    else:
        # Whatever was damaged, what passes agrees with the card.
        assert mismatches(ONNX, found) == []
        assert found.outputs


def test_the_model_itself_passes() -> None:
    assert isinstance(outcome(MODEL, ONNX), Inspection)


def test_every_truncation_is_refused() -> None:
    # What follows the graph is the operator set, without which a model is refused too.
    for size in range(len(MODEL)):
        check_refusal(outcome(MODEL[:size], ONNX))


@given(st.lists(st.tuples(st.integers(0, len(MODEL) - 1), st.integers(0, 255)), min_size=1, max_size=4))
@settings(max_examples=300)
def test_changed_bytes_pass_or_are_refused(changes: list[tuple[int, int]]) -> None:
    content = bytearray(MODEL)
    for position, byte in changes:
        content[position] = byte
    check(outcome(bytes(content), ONNX))


@given(st.integers(0, len(MODEL)), st.binary(min_size=1, max_size=30), st.integers(0, 30))
@settings(max_examples=300)
def test_inserted_and_removed_bytes_pass_or_are_refused(position: int, inserted: bytes, removed: int) -> None:
    check(outcome(MODEL[:position] + inserted + MODEL[position + removed :], ONNX))


@given(st.binary(max_size=200), st.sampled_from([ONNX, TORCH]))
@settings(max_examples=300)
def test_random_bytes_are_refused(content: bytes, card: Card) -> None:
    check_refusal(outcome(content, card))


@given(st.text(max_size=20), st.integers(0, 99), st.dictionaries(st.text(max_size=5), st.text(max_size=5)))
def test_what_does_not_concern_the_graph_changes_nothing(producer: str, version: int, notes: dict[str, str]) -> None:
    extra = onnx.ModelProto(producer_name=producer, model_version=version)
    helper.set_model_props(extra, notes)
    assert outcome(MODEL + extra.SerializeToString(), ONNX) == outcome(MODEL, ONNX)


def test_a_second_graph_is_refused() -> None:
    # The library would merge it with the first, and show a second input.
    graph = helper.make_graph([], "h", [helper.make_tensor_value_info("z", TensorProto.FLOAT, [1])], [])
    content = MODEL + onnx.ModelProto(graph=graph).SerializeToString()
    assert len(onnx.ModelProto.FromString(content).graph.input) == 2
    check_refusal(outcome(content, ONNX))
