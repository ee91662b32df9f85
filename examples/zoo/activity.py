"""Activity recognition: exercises seen by a smart watch, one model per person and arm."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from torch import nn

from examples.zoo.archive_files import load_object_array, read_member
from examples.zoo.entries import (
    MOST_SOURCE_ROWS,
    Notice,
    Recipe,
    Source,
    Target,
    Workload,
    ZooModel,
    generator,
    labelled,
    sample,
)
from examples.zoo.fetch import Archives
from examples.zoo.onnx_graphs import export_sequential
from examples.zoo.running import card_of, input_tensor
from examples.zoo.training import seed_for, train_network

_SUBJECTS = range(1, 8)  # the others are kept for judging
_ARMS = ("left", "right")
_WINDOW = 100  # 2 s at 50 Hz
_STEP = 25
_CHANNELS = ("ax", "ay", "az", "wx", "wy", "wz")
_PARTS = {"train": (0.0, 0.5), "validation": (0.5, 0.65), "target": (0.65, 1.0)}
_LICENCE = "BSD-3-Clause"


@dataclass(frozen=True, slots=True)
class _Windows:
    """Windows [n, channels, steps] and their exercises [n]."""

    values: NDArray[np.float32]
    labels: NDArray[np.str_]

    def table(self, name: str) -> pa.Table:
        """The windows in shuffled order: a column of channels x steps, and the labels."""
        rows = pa.table({"signal": pa.array(self.values.tolist(), pa.list_(pa.list_(pa.float32())))})
        return sample(labelled(rows, self.labels.tolist()), MOST_SOURCE_ROWS, name)


def build(archives: Archives, notice: Notice) -> Workload:
    """One model and one target per person and arm, of different minutes."""
    watch = load_object_array(read_member(archives.paths["seglearn"], "seglearn/data/watch_dataset.npy"))
    classes = sorted(str(name) for name in watch["y_labels"])
    models, targets = [], []
    for subject in _SUBJECTS:
        for side, arm in enumerate(_ARMS):
            name = f"activity-person{subject}-{arm}"
            notice(f"training {name}")
            parts = _cut(watch, subject, side)
            models.append(_model(name, f"person {subject}, {arm} arm", parts, classes))
            rows = parts["target"].table(f"target {name}")
            targets.append(
                Target(
                    name=f"person{subject}-{arm}",
                    description=f"exercises of person {subject}, {arm} arm, later minutes",
                    rows=rows.drop_columns("label"),
                    labels=tuple(rows.column("label").to_pylist()),
                    related=(name,),
                )
            )
    return Workload(models=models, targets=targets)


def _cut(watch: dict[str, Any], subject: int, side: int) -> dict[str, _Windows]:
    """Windows of one person's arm. Each series is cut in time, so that no sample is in two parts."""
    values: dict[str, list[NDArray[np.float32]]] = {part: [] for part in _PARTS}
    labels: dict[str, list[str]] = {part: [] for part in _PARTS}
    for position in np.flatnonzero((watch["subject"] == subject) & (watch["side"] == side)):
        series = np.asarray(watch["X"][position], np.float32).T
        for part, (start, end) in _PARTS.items():
            low, high = int(start * series.shape[1]), int(end * series.shape[1])
            for at in range(low, high - _WINDOW + 1, _STEP):
                values[part].append(series[:, at : at + _WINDOW])
                labels[part].append(str(watch["y_labels"][watch["y"][position]]))
    return {part: _Windows(np.stack(values[part]), np.array(labels[part])) for part in _PARTS}


def _model(name: str, whose: str, parts: dict[str, _Windows], classes: list[str]) -> ZooModel:
    train = parts["train"]
    mean = train.values.mean(axis=(0, 2)).astype(float).round(4)
    deviation = np.maximum(train.values.std(axis=(0, 2)), 1e-3).astype(float).round(4)
    card = {
        "name": name,
        "version": "1",
        "description": f"Convolutional network for seven exercises, trained on the smart watch of {whose}.",
        "licence": _LICENCE,
        "tags": ["activity", "example-zoo"],
        "task": "classification",
        "modality": "time_series",
        "classes": classes,
        "artifact": {"format": "onnx"},
        "input": {
            "kind": "time_series", "column": "signal", "channels": len(_CHANNELS), "length": _WINDOW,
            "mean": mean.tolist(), "std": deviation.tolist(),
        },
        "output": {"kind": "logits"},
    }  # fmt: skip
    rows = train.table(f"source {name}")
    seed_for(name)
    network = nn.Sequential(
        nn.Conv1d(len(_CHANNELS), 24, 7, padding=3, stride=2), nn.ReLU(),
        nn.Conv1d(24, 32, 5, padding=2, stride=2), nn.ReLU(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, len(classes)),
    )  # fmt: skip
    tensor = input_tensor(card_of(card), rows)
    answers = np.array([classes.index(label) for label in rows.column("label").to_pylist()], np.int64)
    chance = generator(f"jitter {name}")
    jittered = np.concatenate([tensor, tensor * chance.uniform(0.8, 1.25, (len(tensor), 1, 1)).astype(np.float32)])
    train_network(network, jittered, np.tile(answers, 2), name=name, epochs=25, batch=32)
    return ZooModel(
        card=card,
        graph=export_sequential(network, (len(_CHANNELS), _WINDOW), len(classes)),
        source=Source(
            name=name,
            description=f"Windows of 2 s at 50 Hz, {', '.join(_CHANNELS)}, of {whose}.",
            licence=_LICENCE,
            tags=("activity", "example-zoo"),
            rows=rows,
        ),
        validation=parts["validation"].table(f"validation {name}"),
    )


RECIPE = Recipe(
    name="activity",
    title="Activity recognition from a smart watch",
    tag="activity",
    needs=("seglearn",),
    demo_target="person3-right",
    build=build,
)
