"""Writes a workload: models, cards, samples and targets as files, the manifest to register them, the truth apart."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from examples.zoo.entries import LABEL, Notice, Recipe, Target, Workload, ZooModel
from examples.zoo.running import Runner, card_of, claim, measure, open_session

TRUTH = "truth.json"
MANIFEST = "manifest.yaml"


def write_workload(recipe: Recipe, workload: Workload, folder: Path, notice: Notice) -> None:
    """Writes everything of one workload into an empty folder. The same workload gives the same bytes."""
    positive = _positive_class(workload)
    for part in ("cards", "models", "sources", "validation", "targets"):
        (folder / part).mkdir(parents=True)
    entries = [_write_model(model, folder, positive) for model in workload.models]
    for target in workload.targets:
        _write_table(target.rows, folder / "targets" / f"{target.name}.parquet")
    _write_yaml({"version": 1, "models": entries}, folder / MANIFEST)
    truth: dict[str, Any] = {
        "workload": recipe.name,
        "metric": workload.metric,
        "targets": _true_values(workload, positive, notice),
    }
    (folder / TRUTH).write_text(json.dumps(truth, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_manifest(zoo: Path, workloads: list[str]) -> None:
    """One manifest over those workloads, from their own; replaced in one step."""
    models: list[dict[str, Any]] = []
    for name in workloads:
        listed = yaml.safe_load((zoo / name / MANIFEST).read_text(encoding="utf-8"))["models"]
        models.extend(_below(name, entry) for entry in listed)
    scratch = zoo / f".{MANIFEST}.partial"
    _write_yaml({"version": 1, "models": models}, scratch)
    scratch.replace(zoo / MANIFEST)


def _below(folder: str, entry: dict[str, Any]) -> dict[str, Any]:
    """The entry with its paths taken from one folder further up."""
    moved = entry | {key: f"{folder}/{entry[key]}" for key in ("card", "artifact")}
    if "dataset" in entry:
        moved["dataset"] = entry["dataset"] | {"data": f"{folder}/{entry['dataset']['data']}"}
    return moved


def _positive_class(workload: Workload) -> str | None:
    """The class whose F1 counts: the last one, where the workload is judged by F1."""
    return str(workload.models[0].card["classes"][-1]) if workload.metric == "f1" else None


def _write_model(model: ZooModel, folder: Path, positive: str | None) -> dict[str, Any]:
    """Writes a model's files; returns its entry of the manifest."""
    metrics = [
        {"name": name, "value": value, "dataset": f"validation/{model.name}.parquet"}
        for name, value in claim(model, positive).items()
    ]
    _write_yaml(model.card | {"metrics": metrics}, folder / "cards" / f"{model.name}.yaml")
    (folder / "models" / f"{model.name}.onnx").write_bytes(model.graph)
    _write_table(model.validation, folder / "validation" / f"{model.name}.parquet")
    entry: dict[str, Any] = {"card": f"cards/{model.name}.yaml", "artifact": f"models/{model.name}.onnx"}
    if (source := model.source) is not None:
        data = folder / "sources" / f"{source.name}.parquet"
        if not data.exists():
            _write_table(source.rows, data)
        entry["dataset"] = {
            "name": source.name,
            "version": "1",
            "data": f"sources/{source.name}.parquet",
            "labels": LABEL,
            "description": source.description,
            "tags": list(source.tags),
            "licence": source.licence,
            "modality": model.card["modality"],
        }
    return entry


def _true_values(workload: Workload, positive: str | None, notice: Notice) -> dict[str, Any]:
    """What every candidate reaches on every target, by running its ONNX file the way its card says."""
    candidates = [(card_of(model.card), open_session(model.graph)) for model in workload.models]
    truth: dict[str, Any] = {}
    for target in workload.targets:
        notice(f"measuring every candidate on {target.name}")
        truth[target.name] = _true_row(target, candidates, positive)
    return truth


def _true_row(target: Target, candidates: list[tuple[Any, Any]], positive: str | None) -> dict[str, Any]:
    runner = Runner(target.rows)
    reached = {
        card.name: measure(runner.predict(card, session), target.labels, positive) for card, session in candidates
    }
    return {
        "description": target.description,
        "rows": target.rows.num_rows,
        "related": list(target.related),
        "candidates": reached,
    }


def _write_table(table: pa.Table, path: Path) -> None:
    pq.write_table(table.combine_chunks(), path, compression="zstd", store_schema=False)


def _write_yaml(value: dict[str, Any], path: Path) -> None:
    path.write_text(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=120), encoding="utf-8")
