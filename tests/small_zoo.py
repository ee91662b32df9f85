"""A folder with a few tiny models, their data and a manifest, for tests of the client and the CLI."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

COLUMNS = ("height", "weight", "age")


def write_net(path: Path, bias: float = 0.0) -> None:
    """An ONNX classifier of three numbers into two classes."""
    weights = onnx.numpy_helper.from_array(np.arange(6, dtype=np.float32).reshape(3, 2), "weights")
    biases = onnx.numpy_helper.from_array(np.full(2, bias, np.float32), "biases")
    node = onnx.helper.make_node("Gemm", ["rows", "weights", "biases"], ["logits"])
    graph = onnx.helper.make_graph(
        [node],
        "small",
        [onnx.helper.make_tensor_value_info("rows", onnx.TensorProto.FLOAT, ["batch", 3])],
        [onnx.helper.make_tensor_value_info("logits", onnx.TensorProto.FLOAT, ["batch", 2])],
        [weights, biases],
    )
    model = onnx.helper.make_model(graph, ir_version=10, opset_imports=[onnx.helper.make_opsetid("", 20)])
    path.write_bytes(model.SerializeToString())


def make_card(name: str, **fields: Any) -> dict[str, Any]:
    """The card of such a classifier."""
    card: dict[str, Any] = {
        "name": name,
        "version": "1",
        "description": f"tells who is who, {name}",
        "licence": "MIT",
        "tags": ["small"],
        "task": "classification",
        "modality": "tabular",
        "classes": ["cat", "dog"],
        "metrics": [{"name": "accuracy", "value": 0.9}],
        "artifact": {"format": "onnx"},
        "input": {"kind": "tabular", "columns": [{"name": column, "fill": 0.0} for column in COLUMNS]},
        "output": {"kind": "logits"},
    }
    return card | fields


def make_table(shift: float, rows: int = 200, *, labels: bool = True) -> pa.Table:
    """Rows around `shift`, with labels or without."""
    random = np.random.default_rng(int(shift * 10) + rows)
    values: dict[str, Any] = {name: random.normal(shift, 1.0, rows) for name in COLUMNS}
    if labels:
        values["label"] = ["cat" if value > shift else "dog" for value in values["height"]]
    return pa.table(values)


def write_zoo(folder: Path) -> Path:
    """Writes three models (near, mid, far), their data, an unlabelled target and the manifest; returns its path."""
    models = []
    for number, (name, shift) in enumerate({"near": 0.0, "mid": 1.5, "far": 6.0}.items()):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(make_card(name)), encoding="utf-8")
        write_net(folder / f"{name}.onnx", bias=number)
        pq.write_table(make_table(shift), folder / f"{name}.parquet")
        dataset = {"name": f"{name}-data", "data": f"{name}.parquet", "labels": "label", "tags": ["made"]}
        models.append({"card": f"{name}.yaml", "artifact": f"{name}.onnx", "dataset": dataset})
    pq.write_table(make_table(0.0, 150, labels=False), folder / "target.parquet")
    manifest = folder / "zoo.yaml"
    manifest.write_text(yaml.safe_dump({"version": 1, "models": models}), encoding="utf-8")
    return manifest
