"""ONNX artifacts: what is read from real files, and that each mismatch and each bad file is named."""

from __future__ import annotations

import gzip
import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from msearch_card import Card, parse_card
from msearch_card.featurising import featurised_dimension
from search_service.artifacts import Inspection, inspect
from search_service.domain.catalog import Tensor
from search_service.domain.errors import InvalidArgument, Reason

PAIRS = "pairs-similarity@1"
Shape = list[int | str | None] | None


def value(name: str, shape: Shape, type: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, type, shape)


def build(
    inputs: list[onnx.ValueInfoProto],
    outputs: list[onnx.ValueInfoProto],
    nodes: list[onnx.NodeProto] | None = None,
    initializer: list[onnx.TensorProto] | None = None,
) -> bytes:
    """A model that need not run: each output is computed from the first input."""
    nodes = nodes or [helper.make_node("Identity", [inputs[0].name], [output.name]) for output in outputs]
    graph = helper.make_graph(nodes, "g", inputs, outputs, initializer=initializer)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10).SerializeToString()


def card_of(input: dict[str, Any], classes: int = 3, format: str = "onnx", **output: Any) -> Card:
    names = [f"c{i}" for i in range(classes)]
    card = {"name": "m", "task": "classification", "modality": input["kind"], "classes": names}
    return parse_card(card | {"artifact": {"format": format}, "input": input, "output": {"kind": "logits"} | output})


IMAGE = {"kind": "image", "column": "image", "width": 20, "height": 10, "channels": 3}
LOGITS = value("logits", ["batch", 3])


def refused(content: bytes, card: Card) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        inspect(io.BytesIO(content), card)
    assert caught.value.reason is Reason.INVALID_ARTIFACT
    assert caught.value.fields
    return caught.value


def mismatch(model: bytes, card: Card) -> dict[str, str]:
    error = refused(model, card)
    assert error.message.startswith("the artifact does not match its card: ")
    for path, problem in error.fields:
        assert f"{path}: {problem}" in error.message
    return dict(error.fields)


def test_inputs_outputs_opset_and_parameters_are_read() -> None:
    weights = numpy_helper.from_array(np.zeros((600, 3), np.float32), "w")
    bias = helper.make_tensor("b", TensorProto.FLOAT, [3], [1.0, 2.0, 3.0])
    nodes = [
        helper.make_node("Flatten", ["x"], ["flat"]),
        helper.make_node("Gemm", ["flat", "w", "b"], ["logits"]),
    ]
    inputs = [value("x", ["n", 3, 10, 20]), value("w", [600, 3])]
    inspection = inspect(io.BytesIO(build(inputs, [LOGITS], nodes, [weights, bias])), card_of(IMAGE))
    assert inspection == Inspection(
        inputs=(Tensor(name="x", element_type="float32", shape=("n", 3, 10, 20)),),
        outputs=(Tensor(name="logits", element_type="float32", shape=("batch", 3)),),
        opset=20,
        parameters=1803,
    )


def test_a_path_an_open_file_and_a_stream_give_the_same(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(build([value("x", [None, 3, 10, 20])], [LOGITS]))
    with path.open("rb") as stream:
        found = [inspect(source, card_of(IMAGE)) for source in (path, str(path), stream, io.BytesIO(path.read_bytes()))]
    assert found[1:] == found[:-1]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # torch uses what it deprecates itself
def test_a_network_exported_by_torch_is_read(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="torch is not installed")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(),
                                  torch.nn.Linear(4, 3)).eval()  # fmt: skip
    path = tmp_path / "model.onnx"
    batch = torch.export.Dim("batch")
    program = torch.onnx.export(
        network, (torch.zeros(2, 3, 10, 20),), dynamo=True, dynamic_shapes=({0: batch},),
        input_names=["image"], output_names=["logits"], verbose=False,
    )  # fmt: skip
    program.save(path)
    inspection = inspect(path, card_of(IMAGE))
    assert inspection.inputs == (Tensor(name="image", element_type="float32", shape=("batch", 3, 10, 20)),)
    assert inspection.outputs == (Tensor(name="logits", element_type="float32", shape=("batch", 3)),)
    assert inspection.opset == 20
    assert inspection.parameters >= sum(each.numel() for each in network.parameters())


@pytest.mark.parametrize("path", sorted(Path(onnx.__file__).parent.glob("backend/test/data/light/*.onnx")), ids=str)
def test_real_files_are_read_as_the_onnx_library_reads_them(path: Path) -> None:
    model = onnx.load(path)
    constants = {tensor.name for tensor in model.graph.initializer}
    wanted = [one for one in model.graph.input if one.name not in constants]
    card = {"name": "m", "task": "t", "modality": "image", "artifact": {"format": "onnx"}}
    inspection = inspect(path, parse_card(card | {"input": image_of(wanted[0])}))
    for found, declared in zip([*inspection.inputs, *inspection.outputs], [*wanted, *model.graph.output], strict=True):
        tensor = declared.type.tensor_type
        assert found.name == declared.name
        assert found.element_type == "float32"
        assert tensor.elem_type == TensorProto.FLOAT
        assert found.shape == tuple(each.dim_value or each.dim_param or None for each in tensor.shape.dim)
    assert inspection.opset == next(one.version for one in model.opset_import if one.domain == "")
    assert inspection.parameters == sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)


def image_of(declared: onnx.ValueInfoProto) -> dict[str, Any]:
    _, channels, height, width = (each.dim_value for each in declared.type.tensor_type.shape.dim)
    return {"kind": "image", "column": "x", "channels": channels, "height": height, "width": width}


KINDS: list[tuple[dict[str, Any], Shape, int]] = [
    (IMAGE, ["n", 3, 10, 20], TensorProto.FLOAT),
    (IMAGE | {"layout": "NHWC"}, [1, 10, 20, 3], TensorProto.FLOAT16),
    ({"kind": "text", "column": "t", "encoding": "raw"}, ["n"], TensorProto.STRING),
    ({"kind": "text", "column": "t", "encoding": {"type": "raw", "rank": 2}}, ["n", 1], TensorProto.STRING),
    ({"kind": "text", "column": "t", "encoding": {"type": "hashing", "features": 64}}, ["n", 64], TensorProto.FLOAT),
    ({"kind": "text", "column": "t", "encoding": {"type": "tokenizer", "file": "t.json", "length": 16}}, ["n", "s"],
     TensorProto.INT64),
    ({"kind": "tabular", "columns": [{"name": "a"}, {"name": "b"}]}, ["n", 2], TensorProto.FLOAT),
    ({"kind": "time_series", "column": "s", "channels": 6, "length": 50}, ["n", 6, 50], TensorProto.FLOAT),
    ({"kind": "time_series", "column": "s", "channels": 6, "length": 50, "layout": "TC"}, ["n", 50, 6],
     TensorProto.DOUBLE),
    ({"kind": "pairs", "left": ["a"], "right": ["b", "c"], "encoding": "raw"}, ["n", 3], TensorProto.STRING),
    ({"kind": "pairs", "left": ["a"], "right": ["b"], "encoding": {"type": "featuriser", "name": PAIRS}},
     ["n", featurised_dimension(PAIRS)], TensorProto.FLOAT),
    ({"kind": "embedding", "column": "v", "length": 384}, [None, 384], TensorProto.FLOAT),
]  # fmt: skip


@pytest.mark.parametrize(("input", "shape", "type"), KINDS)
class TestEveryKind:
    def test_a_matching_artifact_passes(self, input: dict[str, Any], shape: Shape, type: int) -> None:
        inspection = inspect(io.BytesIO(build([value("x", shape, type)], [LOGITS])), card_of(input))
        assert inspection.inputs is not None
        assert inspection.inputs[0].shape == tuple(shape or ())

    def test_free_and_undeclared_shapes_pass(self, input: dict[str, Any], shape: Shape, type: int) -> None:
        assert shape is not None
        free = inspect(io.BytesIO(build([value("x", [None] * len(shape), type)], [LOGITS])), card_of(input))
        assert free.unranked == frozenset()
        unranked = inspect(io.BytesIO(build([value("x", None, type)], [LOGITS])), card_of(input))
        assert unranked.unranked == {"x"}

    def test_another_rank_is_refused(self, input: dict[str, Any], shape: Shape, type: int) -> None:
        assert shape is not None
        problems = mismatch(build([value("x", [*shape, 7], type)], [LOGITS]), card_of(input))
        assert f"{len(shape)} axes, but input 'x' is [" in problems["input.tensor"]
        assert f"{len(shape) + 1} axes" in problems["input.tensor"]

    def test_another_element_type_is_refused(self, input: dict[str, Any], shape: Shape, type: int) -> None:
        problems = mismatch(build([value("x", shape, TensorProto.BOOL)], [LOGITS]), card_of(input))
        assert "input 'x' takes bool" in problems["input.tensor"]

    def test_another_name_is_refused(self, input: dict[str, Any], shape: Shape, type: int) -> None:
        problems = mismatch(build([value("x", shape, type)], [LOGITS]), card_of(input | {"tensor": "y"}))
        assert problems == {"input.tensor": "is 'y', but the artifact's inputs are x"}

    def test_a_second_input_is_refused(self, input: dict[str, Any], shape: Shape, type: int) -> None:
        model = build([value("x", shape, type), value("z", [1])], [LOGITS])
        assert mismatch(model, card_of(input)) == {"input.tensor": "is required, since the artifact has 2 inputs: x, z"}
        problems = mismatch(model, card_of(input | {"tensor": "x"}))
        assert problems == {"input": "fills x, but the artifact also needs z"}


@pytest.mark.parametrize(
    ("input", "shape", "type", "field", "problem"),
    [
        (IMAGE, ["n", 1, 10, 20], 1, "input.channels", "gives 3, but input 'x', [n, 1, 10, 20], has 1 on axis 1"),
        (IMAGE, ["n", 3, 20, 20], 1, "input.height", "gives 10, but input 'x', [n, 3, 20, 20], has 20 on axis 2"),
        (IMAGE, ["n", 3, 10, 10], 1, "input.width", "gives 20, but input 'x', [n, 3, 10, 10], has 10 on axis 3"),
        (IMAGE, ["n", 10, 20, 3], 1, "input.channels", "has 10 on axis 1"),
        (KINDS[4][0], ["n", 65], 1, "input.encoding.features", "gives 64, but input 'x', [n, 65], has 65"),
        (KINDS[5][0], ["n", 8], 7, "input.encoding.length", "gives 16, but input 'x', [n, 8], has 8"),
        (KINDS[3][0], ["n", 2], 8, "input.encoding.rank", "gives 1, but input 'x', [n, 2], has 2"),
        (KINDS[6][0], ["n", 3], 1, "input.columns", "gives 2, but input 'x', [n, 3], has 3"),
        (KINDS[7][0], ["n", 5, 50], 1, "input.channels", "gives 6, but input 'x', [n, 5, 50], has 5"),
        (KINDS[7][0], ["n", 6, 51], 1, "input.length", "gives 50, but input 'x', [n, 6, 51], has 51"),
        (KINDS[9][0], ["n", 4], 8, "input.left", "gives 3, but input 'x', [n, 4], has 4"),
        (
            KINDS[10][0],
            ["n", 9],
            1,
            "input.encoding.name",
            f"gives {featurised_dimension(PAIRS)}, but input 'x', [n, 9]",
        ),
        (KINDS[11][0], ["n", 300], 1, "input.length", "gives 384, but input 'x', [n, 300], has 300"),
    ],
)
def test_each_extent_names_its_field(input: dict[str, Any], shape: Shape, type: int, field: str, problem: str) -> None:
    assert problem in mismatch(build([value("x", shape, type)], [LOGITS]), card_of(input))[field]


def test_a_featuriser_that_is_not_installed_is_not_held_against_the_card() -> None:
    spec = {"kind": "text", "column": "t", "encoding": {"type": "featuriser", "name": "elsewhere@1"}}
    assert inspect(io.BytesIO(build([value("x", ["n", 9])], [LOGITS])), card_of(spec)).inputs is not None


def test_a_tokenizers_tensors_are_checked() -> None:
    encoding = {"type": "tokenizer", "file": "t.json", "length": 16, "attention_mask": "mask", "token_types": "types"}
    card = card_of({"kind": "text", "column": "t", "tensor": "ids", "encoding": encoding})
    names = ["ids", "mask", "types"]
    values = [value(name, ["n", "s"], TensorProto.INT64) for name in names]
    assert inspect(io.BytesIO(build(values, [LOGITS])), card).inputs is not None
    problems = mismatch(build(values[:2], [LOGITS]), card)
    assert problems == {"input.encoding.token_types": "is 'types', but the artifact's inputs are ids, mask"}


@pytest.mark.parametrize(
    ("outputs", "output", "field", "problem"),
    [
        ([value("y", ["n", 4])], {}, "classes", "names 3, but output 'y', [n, 4], has 4 on axis -1"),
        ([value("y", ["n", 3, 7])], {}, "classes", "names 3, but output 'y', [n, 3, 7], has 7 on axis -1"),
        ([value("y", ["n", 3])], {"axis": 2}, "output.axis", "is 2, but output 'y' is [n, 3]"),
        ([value("y", [3])], {}, "output.axis", "is -1, but output 'y' is [3]"),
        ([value("y", ["n", 3])], {"tensor": "z"}, "output.tensor", "is 'z', but the artifact's outputs are y"),
        ([value("y", ["n", 3]), value("z", ["n"])], {}, "output.tensor", "is required, since the artifact has 2 outp"),
        ([value("y", ["n", 3], TensorProto.INT64)], {}, "output.tensor", "holds logits, but output 'y' is int64"),
        ([helper.make_tensor_sequence_value_info("y", 1, None)], {}, "output.tensor", "output 'y' is sequence"),
    ],
)
def test_each_problem_of_the_output_names_its_field(
    outputs: list[onnx.ValueInfoProto], output: dict[str, Any], field: str, problem: str
) -> None:
    assert problem in mismatch(build([value("x", ["n", 3, 10, 20])], outputs), card_of(IMAGE, **output))[field]


def test_classes_may_lie_on_another_axis_or_be_free() -> None:
    for shape, axis in ((["n", 3, 7], 1), (["n", "classes"], -1)):
        inspect(io.BytesIO(build([value("x", ["n", 3, 10, 20])], [value("y", shape)])), card_of(IMAGE, axis=axis))


MODEL = build(
    [value("x", ["n", 3, 10, 20])],
    [LOGITS],
    [helper.make_node("Gemm", ["x", "w"], ["logits"])],
    [numpy_helper.from_array(np.ones((64, 64), np.float32), "w")],
)


def zipped(name: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(name, b"x")
    return stream.getvalue()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "is empty"),
        (zipped("archive/data.pkl"), "is a zip archive, as torch.save writes; export the model with torch.onnx.export"),
        (pickle.dumps({"weights": [1.0]}), "is a pickle, which is never opened"),
        (pickle.dumps([1], protocol=2), "is a pickle, which is never opened"),
        (b"just some words\n", "is a text file that begins with 'just some words"),
        ("Modell für Ziffern, ".encode() * 40, "is a text file"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "is a Git LFS pointer"),
        (gzip.compress(MODEL), "is compressed with gzip"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is an HDF5 file"),
        (b"\x1c\x00\x00\x00TFL3" + bytes(100), "is a TensorFlow Lite file"),
        ((40).to_bytes(8, "little") + b'{"a":{"dtype":"F32"}}' + bytes(100), "is a safetensors file"),
        (MODEL[: len(MODEL) // 2], "is truncated or no such file: a part at byte"),
        (bytes(1000), "is malformed at byte 0"),
        (b"\xff" * 1000, "is malformed at byte 0"),
        (helper.make_opsetid("", 20).SerializeToString(), "is not an ONNX model: it has no"),
        (MODEL + b"\xfa\x3f\x00", "is not an ONNX model: it has the field 1023"),
    ],
)
def test_a_file_that_is_no_onnx_is_named(content: bytes, problem: str) -> None:
    error = refused(content, card_of(IMAGE))
    assert error.message.startswith(f"the artifact {problem}")
    assert dict(error.fields) == {"artifact.format": "is onnx, but the file is of another kind or damaged"}


def tampered(**changes: Any) -> bytes:
    model = onnx.ModelProto.FromString(MODEL)
    tensor = model.graph.initializer[0]
    for name, new in changes.items():
        if name == "dims":
            tensor.dims[:] = new
        else:
            setattr(tensor, name, new)
    return model.SerializeToString()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"raw_data": bytes(100)}, "the tensor 'w' of 64 x 64 float32 = 16,384 bytes, but it holds 100"),
        ({"raw_data": b""}, "but it holds 0"),
        ({"dims": [1 << 40, 1 << 40]}, "but it holds 16,384"),
        ({"dims": [-1, 64]}, "with an impossible shape"),
        ({"dims": [1] * 65}, "with an impossible shape"),
        ({"data_type": 99}, "of the unknown element type 99"),
        ({"data_type": TensorProto.STRING}, "but it holds 0 strings"),
        ({"data_type": TensorProto.INT4}, "64 x 64 int4 = 2,048 bytes, but it holds 16,384"),
    ],
)
def test_a_tensor_that_is_not_as_large_as_it_says_is_named(changes: dict[str, Any], problem: str) -> None:
    assert problem in refused(tampered(**changes), card_of(IMAGE)).message


@pytest.mark.parametrize("array", [np.arange(300), np.float64([1.5]), np.uint64([1 << 63]), np.bool_([1, 0]),
                                   np.int32(-5), np.zeros((0, 3)), np.float16([1]), np.complex64([1j])])  # fmt: skip
@pytest.mark.parametrize("raw", [True, False])
def test_every_way_to_hold_a_tensor_is_measured(array: np.ndarray, raw: bool) -> None:
    array = np.asarray(array)
    values = array.tobytes() if raw else array.flatten()
    tensor = helper.make_tensor("w", helper.np_dtype_to_tensor_dtype(array.dtype), array.shape, values, raw=raw)
    nodes = [helper.make_node("Constant", [], ["k"], value=tensor), helper.make_node("Relu", ["x"], ["logits"])]
    model = build([value("x", ["n", 3, 10, 20])], [LOGITS], nodes, [tensor])
    assert inspect(io.BytesIO(model), card_of(IMAGE)).parameters == array.size


@pytest.mark.parametrize("where", ["initializer", "constant", "subgraph", "function"])
def test_external_data_is_refused_by_name(where: str) -> None:
    tensor = numpy_helper.from_array(np.ones((64, 64), np.float32), "big")
    onnx.external_data_helper.set_external_data(tensor, "weights.bin")
    tensor.ClearField("raw_data")
    constant = helper.make_node("Constant", [], ["k"], value=tensor)
    relu = helper.make_node("Relu", ["x"], ["logits"])
    inputs, outputs = [value("x", ["n", 3, 10, 20])], [LOGITS]
    if where == "initializer":
        model = build(inputs, outputs, [relu], [tensor])
    elif where == "constant":
        model = build(inputs, outputs, [constant, relu])
    elif where == "subgraph":
        branch = helper.make_graph([constant], "b", [], [value("k", [64, 64])])
        model = build(inputs, outputs, [relu, helper.make_node("If", ["c"], ["k"], then_branch=branch)])
    else:
        function = helper.make_function("local", "f", [], ["k"], [constant], [helper.make_opsetid("", 20)])
        whole = onnx.ModelProto.FromString(build(inputs, outputs, [relu]))
        whole.functions.append(function)
        model = whole.SerializeToString()
    message = refused(model, card_of(IMAGE)).message
    assert "keeps the tensor 'big' in the external file 'weights.bin': save the model as one file" in message


def test_an_output_that_nothing_computes_is_refused() -> None:
    model = build([value("x", ["n", 3, 10, 20])], [LOGITS], [helper.make_node("Relu", ["x"], ["other"])])
    assert "has the output 'logits', which nothing in its graph computes" in refused(model, card_of(IMAGE)).message


def part(number: int, content: bytes) -> bytes:
    """A length-delimited field of protobuf's wire format."""
    size, length = b"", len(content)
    while length > 127:
        size, length = size + bytes([length & 127 | 128]), length >> 7
    return bytes([number << 3 | 2]) + size + bytes([length]) + content


@pytest.mark.parametrize(
    ("name", "problem"), [("a\0b", "contains a NUL"), ("a" * 5000, "a name of 5,000 bytes")], ids=["NUL", "long"]
)
def test_a_name_that_cannot_be_shown_or_stored_is_refused(name: str, problem: str) -> None:
    assert problem in refused(build([value(name, ["n", 3, 10, 20])], [LOGITS]), card_of(IMAGE)).message


def test_many_inputs_are_not_all_listed() -> None:
    model = build([value(f"x{i}", ["n", 3, 10, 20]) for i in range(5000)], [LOGITS])
    assert mismatch(model, card_of(IMAGE))["input.tensor"].endswith("x6, x7 and 4992 more")
    assert mismatch(model, card_of(IMAGE | {"tensor": "x0"}))["input"].endswith("x7, x8 and 4991 more")


def test_endlessly_nested_graphs_are_refused() -> None:
    graph = b""
    for _ in range(3000):  # a node's attribute that is a graph; protobuf itself would not write so many
        graph = part(1, part(5, part(6, graph)))
    assert "nested more than 32 deep" in refused(b"\x08\x0a" + part(7, graph), card_of(IMAGE)).message


def test_a_file_of_countless_parts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search_service.artifacts.wire_format.MOST_FIELDS", 10)
    assert "has more than 10 parts" in refused(MODEL, card_of(IMAGE)).message


def test_a_large_file_is_not_held_in_memory(tmp_path: Path) -> None:
    size = 512 << 20
    weights = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[size // 4]).SerializeToString()
    length = len(weights) + 1 + 5 + size
    node = part(1, helper.make_node("Relu", ["x"], ["logits"]).SerializeToString())
    ends = part(11, value("x", ["n", 3, 10, 20]).SerializeToString()) + part(12, LOGITS.SerializeToString())
    graph_head = node + ends + bytes([5 << 3 | 2]) + varint(length) + weights + bytes([9 << 3 | 2]) + varint(size)
    opset = part(8, helper.make_opsetid("", 20).SerializeToString())
    path = tmp_path / "large.onnx"
    with path.open("wb") as stream:  # the weights are a hole in the file
        stream.write(b"\x08\x0a" + opset + bytes([7 << 3 | 2]) + varint(len(graph_head) + size) + graph_head)
        stream.truncate(stream.tell() + size)
    program = f"""
import resource, sys
from msearch_card import parse_card
from search_service.artifacts import inspect
card = parse_card({card_of(IMAGE).canonical_json()!r})
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
assert inspect({str(path)!r}, card).parameters == {size // 4}
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 16 << 10, "KiB more than before the inspection"


def varint(number: int) -> bytes:
    """At least five bytes, so that a length does not change the length of what holds it."""
    return bytes([number >> shift & 127 | 128 for shift in (0, 7, 14, 21)] + [number >> 28])


def test_a_model_without_artifact_takes_no_file() -> None:
    card = parse_card({"name": "m", "task": "t", "modality": "text"})
    error = refused(MODEL, card)
    assert dict(error.fields)["artifact.format"].startswith("is none, but an artifact is given")
