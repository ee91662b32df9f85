"""Small real models as ONNX files and torch.export programs with the same weights, and rows to run them on.

An MLP, a small CNN and a transformer encoder, all with a free batch; and broken ones that a backend must refuse.
"""

from __future__ import annotations

import hashlib
import pickle
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Weights = dict[str, NDArray[np.float32]]
CLASSES, LENGTH, WORDS, WIDTH, HEADS = 10, 12, 50, 32, 4
TYPES = {"float32": TensorProto.FLOAT, "int64": TensorProto.INT64, "string": TensorProto.STRING}


class Graph:
    """Builds an ONNX graph, one call an operator; gives the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def add(self, operator: str, *inputs: str | NDArray[Any], output: str = "", **attributes: Any) -> str:
        name = output or f"t{len(self.nodes)}"
        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        self.nodes.append(helper.make_node(operator, names, [name], name=f"{operator}_{len(self.nodes)}", **attributes))
        return name

    def constant(self, value: NDArray[Any]) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, order="C"), name))
        return name

    def model(self, inputs: Mapping[str, tuple[str, list[int | str]]], outputs: Mapping[str, list[int | str]]) -> bytes:
        graph = helper.make_graph(
            self.nodes,
            "graph",
            [helper.make_tensor_value_info(name, TYPES[kind], shape) for name, (kind, shape) in inputs.items()],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
            self.constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.checker.check_model(model, full_check=True)
        return model.SerializeToString()


def _weights(shapes: Mapping[str, tuple[int, ...]], seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    made: Weights = {}
    for name, shape in shapes.items():
        fan_in = int(np.prod(shape[1:])) if len(shape) > 1 else 1
        scale = 0.1 if len(shape) == 1 else 1 / np.sqrt(fan_in)
        made[name] = (rng.normal(size=shape) * scale).astype(np.float32)
    return made


@cache
def mlp_weights() -> Weights:
    return _weights({"w1": (64, 16), "b1": (64,), "w2": (CLASSES, 64), "b2": (CLASSES,)}, 1)


@cache
def cnn_weights() -> Weights:
    shapes = {"k1": (16, 3, 3, 3), "b1": (16,), "k2": (32, 16, 3, 3), "b2": (32,), "w": (CLASSES, 32), "b": (CLASSES,)}
    return _weights(shapes, 2)


@cache
def encoder_weights() -> Weights:
    shapes = {"words": (WORDS, WIDTH), "places": (LENGTH, WIDTH), "w": (CLASSES, WIDTH), "b": (CLASSES,)}
    for part in ("q", "k", "v", "o"):
        shapes |= {part: (WIDTH, WIDTH), f"{part}b": (WIDTH,)}
    shapes |= {"up": (2 * WIDTH, WIDTH), "upb": (2 * WIDTH,), "down": (WIDTH, 2 * WIDTH), "downb": (WIDTH,)}
    return _weights(shapes, 3) | {"one": np.ones(WIDTH, np.float32), "zero": np.zeros(WIDTH, np.float32)}


def mlp_onnx(batch: int | str = "batch") -> bytes:
    g, w = Graph(), mlp_weights()
    hidden = g.add("Relu", g.add("Gemm", "x", w["w1"], w["b1"], transB=1))
    g.add("Gemm", hidden, w["w2"], w["b2"], transB=1, output="logits")
    return g.model({"x": ("float32", [batch, 16])}, {"logits": [batch, CLASSES]})


def cnn_onnx(batch: int | str = "batch") -> bytes:
    g, w = Graph(), cnn_weights()
    x = g.add("Relu", g.add("Conv", "image", w["k1"], w["b1"], pads=[1] * 4, kernel_shape=[3, 3]))
    x = g.add("Relu", g.add("Conv", x, w["k2"], w["b2"], pads=[1] * 4, strides=[2, 2], kernel_shape=[3, 3]))
    x = g.add("Flatten", g.add("GlobalAveragePool", x), axis=1)
    g.add("Gemm", x, w["w"], w["b"], transB=1, output="logits")
    return g.model({"image": ("float32", [batch, 3, 32, 32])}, {"logits": [batch, CLASSES]})


def encoder_onnx(batch: int | str = "batch") -> bytes:
    g, w = Graph(), encoder_weights()
    x = g.add("Add", g.add("Gather", w["words"], "tokens"), w["places"])

    def linear(value: str, name: str, bias: str) -> str:
        return g.add("Add", g.add("MatMul", value, w[name].T), w[bias])

    def heads(value: str, order: list[int]) -> str:
        split = g.add("Reshape", value, np.array([0, LENGTH, HEADS, WIDTH // HEADS]))
        return g.add("Transpose", split, perm=order)

    normal = g.add("LayerNormalization", x, w["one"], w["zero"], axis=-1)
    q, v = (heads(linear(normal, part, f"{part}b"), [0, 2, 1, 3]) for part in ("q", "v"))
    k = heads(linear(normal, "k", "kb"), [0, 2, 3, 1])
    scale = np.float32(1 / np.sqrt(WIDTH // HEADS))
    shares = g.add("Softmax", g.add("Mul", g.add("MatMul", q, k), np.array(scale)), axis=-1)
    mixed = g.add("Transpose", g.add("MatMul", shares, v), perm=[0, 2, 1, 3])
    x = g.add("Add", x, linear(g.add("Reshape", mixed, np.array([0, LENGTH, WIDTH])), "o", "ob"))
    normal = g.add("LayerNormalization", x, w["one"], w["zero"], axis=-1)
    x = g.add("Add", x, linear(g.add("Gelu", linear(normal, "up", "upb")), "down", "downb"))
    pooled = g.add("ReduceMean", x, np.array([1]), keepdims=0)
    g.add("Gemm", pooled, w["w"], w["b"], transB=1, output="logits")
    return g.model({"tokens": ("int64", [batch, LENGTH])}, {"logits": [batch, CLASSES]})


def _torch_modules() -> dict[str, Any]:
    """The same three in torch; each gives a dictionary, so that its output has a name."""
    import torch
    from torch.nn import functional

    class WithWeights(torch.nn.Module):
        def __init__(self, weights: Weights) -> None:
            super().__init__()
            for name, value in weights.items():
                self.register_parameter(name, torch.nn.Parameter(torch.from_numpy(value.copy()), requires_grad=False))

    class Mlp(WithWeights):
        def forward(self, x: Any) -> Any:
            return {
                "logits": functional.linear(functional.relu(functional.linear(x, self.w1, self.b1)), self.w2, self.b2)
            }

    class Cnn(WithWeights):
        def forward(self, image: Any) -> Any:
            x = functional.relu(functional.conv2d(image, self.k1, self.b1, padding=1))
            x = functional.relu(functional.conv2d(x, self.k2, self.b2, padding=1, stride=2))
            return {"logits": functional.linear(x.mean(dim=(2, 3)), self.w, self.b)}

    class Encoder(WithWeights):
        def forward(self, tokens: Any) -> Any:
            x = functional.embedding(tokens, self.words) + self.places
            normal = functional.layer_norm(x, (WIDTH,), self.one, self.zero)
            q, k, v = (
                functional.linear(normal, weight, bias).unflatten(-1, (HEADS, -1)).transpose(1, 2)
                for weight, bias in ((self.q, self.qb), (self.k, self.kb), (self.v, self.vb))
            )
            mixed = functional.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
            x = x + functional.linear(mixed, self.o, self.ob)
            normal = functional.layer_norm(x, (WIDTH,), self.one, self.zero)
            x = x + functional.linear(
                functional.gelu(functional.linear(normal, self.up, self.upb)), self.down, self.downb
            )
            return {"logits": functional.linear(x.mean(dim=1), self.w, self.b)}

    return {"mlp": Mlp(mlp_weights()), "cnn": Cnn(cnn_weights()), "encoder": Encoder(encoder_weights())}


@dataclass(frozen=True)
class Example:
    """A model in every format, and rows for it."""

    name: str
    input: str
    onnx: Callable[..., bytes]
    rows: Callable[[int, int], NDArray[Any]]

    def feed(self, rows: int, seed: int = 7) -> dict[str, NDArray[Any]]:
        return {self.input: self.rows(rows, seed)}


def _normal(*shape: int) -> Callable[[int, int], NDArray[Any]]:
    return lambda rows, seed: np.random.default_rng(seed).normal(size=(rows, *shape)).astype(np.float32)


EXAMPLES = {
    "mlp": Example("mlp", "x", mlp_onnx, _normal(16)),
    "cnn": Example("cnn", "image", cnn_onnx, _normal(3, 32, 32)),
    "encoder": Example(
        "encoder",
        "tokens",
        encoder_onnx,
        lambda rows, seed: np.random.default_rng(seed).integers(0, WORDS, (rows, LENGTH)),
    ),
}


def write_model(folder: Path, name: str, format: str) -> Path:
    """The model of that name as a file; written once a folder."""
    path = folder / f"{name}.{'onnx' if format == 'onnx' else 'pt2'}"
    if not path.exists():
        if format == "onnx":
            path.write_bytes(EXAMPLES[name].onnx())
        else:
            save_program(_torch_modules()[name], EXAMPLES[name].feed(2), path)
    return path


def save_program(module: Any, feed: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Exports with a free batch and saves, as a user would."""
    import torch

    batch = torch.export.Dim("batch", min=1, max=512)
    tensors = {name: torch.from_numpy(array) for name, array in feed.items()}
    program = torch.export.export(
        module.eval(), (), tensors, dynamic_shapes={name: {0: batch} for name in feed}, strict=False
    )
    torch.export.save(program, path)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def reference(name: str, feed: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Outputs by ONNX Runtime in fp32, without optimisation."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(EXAMPLES[name].onnx(), options, providers=["CPUExecutionProvider"])
    output: NDArray[np.float32] = session.run(["logits"], dict(feed))[0]
    return output


def write_unknown_operator(folder: Path, format: str) -> Path:
    """A model with an operator that nobody has."""
    path = folder / f"frobnicate.{'onnx' if format == 'onnx' else 'pt2'}"
    if format == "onnx":
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            [helper.make_node("Frobnicate", ["x"], ["y"])],
            "graph",
            [value("x", TensorProto.FLOAT, ["batch", 2])],
            [value("y", TensorProto.FLOAT, ["batch", 2])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        path.write_bytes(model.SerializeToString())
    else:
        rewrite_program(write_logarithm(folder, format), path, {"torch.ops.aten.log.default": "torch.ops.x.frobnicate"})
    return path


def write_logarithm(folder: Path, format: str) -> Path:
    """A model that gives log(x): NaN for what is negative."""
    path = folder / f"log.{'onnx' if format == 'onnx' else 'pt2'}"
    if format == "onnx":
        g = Graph()
        g.add("Log", "x", output="y")
        path.write_bytes(g.model({"x": ("float32", ["batch", 2])}, {"y": ["batch", 2]}))
    else:
        import torch

        class Logarithm(torch.nn.Module):
            def forward(self, x: Any) -> Any:
                return {"y": x.log()}

        save_program(Logarithm(), {"x": np.ones((2, 2), np.float32)}, path)
    return path


def write_fixed(folder: Path, format: str, batch: int) -> Path:
    """The MLP with a fixed batch."""
    path = folder / f"fixed{batch}.{'onnx' if format == 'onnx' else 'pt2'}"
    if format == "onnx":
        path.write_bytes(mlp_onnx(batch))
    else:
        import torch

        x = torch.from_numpy(EXAMPLES["mlp"].feed(batch)["x"])
        torch.export.save(torch.export.export(_torch_modules()["mlp"].eval(), (x,)), path)
    return path


def rewrite_program(source: Path, target: Path, replacements: Mapping[str, str]) -> None:
    """Copies an export archive with texts in its program replaced."""
    with zipfile.ZipFile(source) as archive, zipfile.ZipFile(target, "w") as copy:
        for name in archive.namelist():
            content = archive.read(name)
            if name.endswith("models/model.json"):
                text = content.decode()
                for old, new in replacements.items():
                    assert old in text
                    text = text.replace(old, new)
                content = text.encode()
            copy.writestr(name, content)


class Bomb:
    """Fails the test if it is unpickled."""

    def __reduce__(self) -> Any:
        return (pytest.fail, ("it was unpickled",))


def damaged(content: bytes, kind: str) -> bytes:
    """No sound model of any format."""
    return {
        "empty": b"",
        "noise": np.random.default_rng(1).bytes(2000),
        "truncated": content[: len(content) * 2 // 3],
        "pickle": pickle.dumps(Bomb()),
        "text": b"not a model but a sentence\n",
    }[kind]
