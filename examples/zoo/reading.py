"""Reads a built zoo back: its models and sources from the manifest, its targets, and the truth."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from examples.zoo.writing import MANIFEST, TRUTH


@dataclass(frozen=True, slots=True)
class Truth:
    """What every candidate truly reaches on every target of a workload, in its metric."""

    metric: str
    targets: dict[str, dict[str, Any]]

    def values(self, target: str) -> dict[str, float]:
        """The metric of each candidate on a target, by model."""
        reached = self.targets[target]["candidates"]
        return {model: float(measured[self.metric]) for model, measured in reached.items()}

    def related(self, target: str) -> frozenset[str]:
        """Models whose source is the same person, device or site as the target, at another time."""
        return frozenset(self.targets[target]["related"])


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model of the manifest: its name, its source's name and file (None without source), the claimed accuracy."""

    name: str
    source: str | None
    data: Path | None
    claimed_accuracy: float


def read_truth(folder: Path) -> Truth:
    """The truth of a workload's folder."""
    document = json.loads((folder / TRUTH).read_text(encoding="utf-8"))
    return Truth(document["metric"], document["targets"])


def read_models(folder: Path) -> list[ListedModel]:
    """The models of a workload's folder, in the order of its manifest."""
    models = []
    for entry in yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))["models"]:
        card = yaml.safe_load((folder / entry["card"]).read_text(encoding="utf-8"))
        claimed = {metric["name"]: float(metric["value"]) for metric in card["metrics"]}
        dataset = entry.get("dataset")
        models.append(
            ListedModel(
                name=card["name"],
                source=dataset and dataset["name"],
                data=folder / dataset["data"] if dataset else None,
                claimed_accuracy=claimed["accuracy"],
            )
        )
    return models


def target_path(folder: Path, target: str) -> Path:
    """File of a target."""
    return folder / "targets" / f"{target}.parquet"
