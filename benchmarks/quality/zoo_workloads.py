"""A workload of the example zoo as evidence: every model run on every validation sample and target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pyarrow as pa
import pyarrow.parquet as pq
import yaml
from numpy.typing import NDArray

from examples.zoo.entries import LABEL
from examples.zoo.locations import zoo_folder
from examples.zoo.reading import ListedModel, Truth, read_models, read_truth, target_path
from examples.zoo.writing import MANIFEST
from msearch_accuracy import Coreset, Metric, Validation
from msearch_accuracy.calibration import fit_atc_threshold, fit_temperature, scale_by_temperature
from msearch_accuracy.fitting import KnownModel, LabelledTable, Workload
from msearch_card import Card, load_card
from msearch_card.inputs import prepare
from msearch_card.outputs import probabilities
from msearch_sketch import FeatureSpace, Signature, default_space, get_featuriser, open_dataset, sketch

NAMES = ("images", "activity", "sentiment", "topics", "matching")
_BATCH = 256

Ticks = NDArray[np.int16]


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """Unlabelled rows, the models' outputs on them, and what each model that may be asked truly reaches.

    `group` names what the claim is about: candidates of the same group are left out. It is empty where targets are
    other rows of known sources.
    """

    name: str
    group: str
    ticks: Ticks
    signature: Signature
    outputs: dict[str, NDArray[Any]]
    truth: dict[str, float]


@dataclass(frozen=True, slots=True, eq=False)
class Bench:
    """A workload with its targets; signatures and rows of sources by name."""

    workload: Workload
    space: FeatureSpace
    targets: tuple[Target, ...]
    signatures: dict[str, Signature]
    source_ticks: dict[str, Ticks]
    sources: dict[str, str]
    validations: dict[str, Validation]
    priors: dict[str, NDArray[np.float64]]
    claim: str

    @property
    def name(self) -> str:
        """The workload's name."""
        return self.workload.name


_CLAIMS = {
    "images": "other rows of known domains; no candidate left out",
    "activity": "new people: models and sources of the person left out, of both arms",
    "sentiment": "other sentences of known domains; no candidate left out",
    "topics": "other texts in other mixtures of genres; no candidate left out",
    "matching": "new tasks: the task's own model and source left out",
}


def group_of(workload: str, source: str) -> str:
    """What must not be on both sides: the person, the task, else the source."""
    return source.rpartition("-")[0] if workload == "activity" else source


def target_group(workload: str, target: str) -> str:
    """Group of a target, or nothing where its claim allows all candidates."""
    if workload == "activity":
        return "activity-" + target.rpartition("-")[0]
    return f"matching-{target}" if workload == "matching" else ""


def sample_paths(folder: Path, models: Sequence[ListedModel]) -> dict[str, Path]:
    """The validation sample of each source, that of its first model, in the order of a workload's tables."""
    found: dict[str, Path] = {}
    for model in models:
        if model.data is not None:
            found.setdefault(str(model.source), folder / "validation" / f"{model.name}.parquet")
    return found


def read_bench(name: str) -> Bench:
    """Reads a built workload and runs its models.

    Raises:
        FileNotFoundError: the zoo was not built.
    """
    folder = zoo_folder() / name
    if not (folder / MANIFEST).exists():
        raise FileNotFoundError(f"{folder} has no zoo: run `python -m examples.zoo build` first")
    models = [model for model in read_models(folder) if model.data is not None]
    runners = _open(folder, models)
    signatures, source_ticks, space = _sketch_sources(models)
    truth = read_truth(folder)
    tables: dict[str, LabelledTable] = {}
    known, validations, priors = [], {}, {}
    for model in models:
        source = str(model.source)
        rows = pq.read_table(folder / "validation" / f"{model.name}.parquet")
        labels = np.array([str(label) for label in rows.column(LABEL).to_pylist()], object)
        rows = rows.drop_columns([LABEL])
        if source not in tables:
            tables[source] = LabelledTable(
                group_of(name, source), _ticks(rows, space), labels, {m: run(rows) for m, run in runners.items()}
            )
            own = tables[source].probabilities[model.name]
        else:
            own = runners[model.name](rows)
        classes = tuple(runners[model.name].card.classes)
        validations[model.name], priors[model.name] = _validate(own, labels, classes, model.claimed_accuracy)
        known.append(
            KnownModel(
                model.name,
                group_of(name, source),
                classes,
                Coreset.of(source, signatures[source]),
                model.claimed_accuracy,
                validations[model.name].temperature,
            )
        )
    return Bench(
        workload=Workload(
            name, tuple(known), tuple(tables.values()), Metric("f1", "same") if truth.metric == "f1" else Metric()
        ),
        space=space,
        targets=tuple(_read_target(folder, name, target, truth, (runners, space, known)) for target in truth.targets),
        signatures=signatures,
        source_ticks=source_ticks,
        sources={model.name: str(model.source) for model in models},
        validations=validations,
        priors=priors,
        claim=_CLAIMS[name],
    )


def _read_target(
    folder: Path,
    workload: str,
    target: str,
    truth: Truth,
    with_parts: tuple[dict[str, _ModelRunner], FeatureSpace, list[KnownModel]],
) -> Target:
    runners, space, known = with_parts
    path = target_path(folder, target)
    rows = pq.read_table(path)
    group = target_group(workload, target)
    values = truth.values(target)
    asked = [model.name for model in known if model.group != group and model.name not in truth.related(target)]
    return Target(
        name=target,
        group=group,
        ticks=_ticks(rows, space),
        signature=sketch(open_dataset(path), space).signature,
        outputs={model: runners[model](rows) for model in asked},
        truth={model: values[model] for model in asked},
    )


class _ModelRunner:
    """A model that gives probabilities for a table."""

    def __init__(self, card: Card, artifact: bytes) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        self.card = card
        self._session = ort.InferenceSession(artifact, options, providers=["CPUExecutionProvider"])

    def __call__(self, rows: pa.Table) -> NDArray[np.float32]:
        inputs = prepare(self.card, rows.combine_chunks().to_batches()[0])
        feed = inputs.feed([entry.name for entry in self._session.get_inputs()])
        names = [entry.name for entry in self._session.get_outputs()]
        found = []
        for start in range(0, rows.num_rows, _BATCH):
            part = {name: tensor[start : start + _BATCH] for name, tensor in feed.items()}
            found.append(probabilities(self.card, dict(zip(names, self._session.run(names, part), strict=True))))
        return np.concatenate(found).astype(np.float32)


def _open(folder: Path, models: list[ListedModel]) -> dict[str, _ModelRunner]:
    wanted = {model.name for model in models}
    runners = {}
    for entry in yaml.safe_load((folder / MANIFEST).read_text(encoding="utf-8"))["models"]:
        card = load_card(folder / entry["card"])
        if card.name in wanted:
            runners[card.name] = _ModelRunner(card, (folder / entry["artifact"]).read_bytes())
    return runners


def _sketch_sources(models: list[ListedModel]) -> tuple[dict[str, Signature], dict[str, Ticks], FeatureSpace]:
    signatures: dict[str, Signature] = {}
    ticks: dict[str, Ticks] = {}
    space: FeatureSpace | None = None
    for model in models:
        if model.data is None or model.source is None or model.source in signatures:
            continue
        dataset = open_dataset(model.data, labels=LABEL)
        # As in the service: a space tied to a schema is fitted on the first source that needs it.
        space = space or default_space(dataset)
        signatures[model.source] = sketch(dataset, space).signature
        rows = pq.read_table(model.data)
        ticks[model.source] = _ticks(rows.drop_columns([LABEL]), space)
    if space is None:
        raise ValueError("no model has a source")
    return signatures, ticks, space


def _ticks(rows: pa.Table, space: FeatureSpace) -> Ticks:
    featuriser = get_featuriser(space.featuriser)
    dataset = open_dataset(rows)
    return np.concatenate([featuriser.transform(b, dataset.columns, space).ticks for b in dataset.batches()])


def _validate(
    outputs: NDArray[Any], labels: NDArray[Any], classes: tuple[str, ...], claimed: float
) -> tuple[Validation, NDArray[np.float64]]:
    """Validation statistics of calibrated outputs, and the class shares of the sample."""
    places = {name: place for place, name in enumerate(classes)}
    right = np.array([places.get(label, -1) for label in labels])
    temperature = fit_temperature(outputs, right)
    scaled = scale_by_temperature(outputs, temperature)
    correct = scaled.argmax(axis=1) == right
    empty: tuple[int, ...] = ()
    validation = Validation(
        accuracy=float(correct.mean()) if len(correct) else claimed,
        count=len(labels),
        temperature=temperature,
        mean_confidence=float(scaled.max(axis=1).mean()),
        atc_threshold=fit_atc_threshold(scaled, correct),
        confidence_counts=empty,
        confidence_correct=empty,
    )
    return validation, np.bincount(right[right >= 0], minlength=len(classes)) + 1e-6
