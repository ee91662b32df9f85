"""The registry's own evidence in the words of `msearch_accuracy.fitting`: who was how right on whose labelled rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from msearch_accuracy import Coreset
from msearch_accuracy.fitting import KnownModel, LabelledTable, Workload
from msearch_accuracy.label_matching import names_of
from msearch_sketch.signature import Signature
from search_service.domain.catalog import Model
from search_service.domain.errors import NotFound
from search_service.domain.evaluation import Evaluation, EvaluationSample
from search_service.domain.ports import BlobStore, Database, UnitOfWork
from search_service.usecases.candidate_evidence import evidence_of_one
from search_service.usecases.outputs import Outputs
from search_service.usecases.points import Points

MOST_EVALUATIONS = 5000
"""The newest ones are looked at; enough to learn from, and little enough to hold."""

MOST_TABLES = 100
FEWEST_CANDIDATES = 3
"""Models of other sources on one table, below which the fit passes it over."""

LEAST_SHARE_TAKEN = 0.9
"""Of a table's rows; a model that took fewer is left out of it."""

MOST_ROWS = 600
"""Of a table; the fit looks at no more."""


@dataclass(frozen=True, slots=True)
class OwnEvidence:
    """What there is to learn from. `pairs` counts models on samples of other sources than their own."""

    workloads: tuple[Workload, ...]
    pairs: int


def gather_evidence(database: Database, blobs: BlobStore) -> OwnEvidence:
    """Reads the evaluations on validation samples, one workload for each kind of data that shares class names."""
    with database.begin() as unit:
        evaluations = sorted(unit.evaluations.on_validation_samples(), key=lambda one: one.created_at)
        evaluations = evaluations[-MOST_EVALUATIONS:]
        samples = unit.evaluation_samples.get_many([one.sample_id for one in evaluations])
        models = unit.models.get_many([one.model_id for one in evaluations])
        by_sample = _by_sample(evaluations, samples, models)
        signatures = _signatures(unit, by_sample, samples, models)
    workloads = []
    pairs = 0
    for space_digest, sample_ids in sorted(_by_space(by_sample, samples).items()):
        tables = {
            sample_id: table
            for sample_id in sample_ids
            if (table := _table(blobs, samples[sample_id], by_sample[sample_id], models)) is not None
        }
        for names in _connected(tables.values(), models):
            own = tuple(table for table in tables.values() if names & {str(label) for label in table.labels})
            ids = sorted({model_id for table in own for model_id in table.probabilities})
            known = tuple(_known(models[one], signatures.get((models[one].dataset_id, space_digest))) for one in ids)
            groups = {model.name: model.group for model in known}
            foreign = [sum(groups[name] != table.group for name in table.probabilities) for table in own]
            if max(foreign, default=0) < FEWEST_CANDIDATES:
                continue  # nothing is learned from it, and intervals calibrated on it would be as wide as can be
            pairs += sum(foreign)
            workloads.append(Workload(f"{space_digest[:12]}: {', '.join(sorted(names)[:3])}", known, own))
    return OwnEvidence(tuple(workloads), pairs)


def _by_sample(
    evaluations: Sequence[Evaluation], samples: Mapping[str, EvaluationSample], models: Mapping[str, Model]
) -> dict[str, list[Evaluation]]:
    """The evaluations that count, by sample; at most MOST_TABLES samples, those with the most."""
    found: dict[str, list[Evaluation]] = defaultdict(list)
    for one in evaluations:
        if one.sample_id in samples and one.model_id in models and one.counted:
            found[one.sample_id].append(one)
    return dict(sorted(found.items(), key=lambda item: -len(item[1]))[:MOST_TABLES])


def _by_space(by_sample: Iterable[str], samples: Mapping[str, EvaluationSample]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = defaultdict(list)
    for sample_id in by_sample:
        found[samples[sample_id].space_digest].append(sample_id)
    return found


def _signatures(
    unit: UnitOfWork,
    by_sample: Mapping[str, list[Evaluation]],
    samples: Mapping[str, EvaluationSample],
    models: Mapping[str, Model],
) -> dict[tuple[str, str], Signature]:
    """The signatures of the models' sources, by dataset id and space."""
    found = {}
    for space_digest, sample_ids in _by_space(by_sample, samples).items():
        datasets = {models[one.model_id].dataset_id for sample_id in sample_ids for one in by_sample[sample_id]}
        for dataset_id, data in unit.datasets.signatures_in(space_digest, sorted(datasets - {""})).items():
            found[dataset_id, space_digest] = Signature.from_checked_bytes(data)
    return found


def _table(
    blobs: BlobStore, sample: EvaluationSample, evaluations: Sequence[Evaluation], models: Mapping[str, Model]
) -> LabelledTable | None:
    """The sample with all outputs on it, on labelled rows that all models took; None where nothing is left."""
    try:
        points = Points.decode(blobs.read(sample.points_digest))
        rows = np.flatnonzero((points.labels >= 0) & points.readable)
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_ROWS)).round().astype(np.int64))]
        # One by one, so that only the rows that count are held.
        outputs = {
            one.model_id: Outputs.decode(one.classes, blobs.read(one.outputs_digest)).probabilities[rows]
            for one in evaluations
        }
    except NotFound:  # deleted meanwhile
        return None
    taken = {name: np.isfinite(values).all(axis=1) for name, values in outputs.items()}
    outputs = {name: values for name, values in outputs.items() if taken[name].mean() >= LEAST_SHARE_TAKEN}
    judged = np.logical_and.reduce([np.ones(len(rows), bool), *(taken[name] for name in outputs)])
    if not outputs or not judged.any():
        return None
    rows = rows[judged]
    # Numbers as labels go by the names that the models of the source, or else any model, have for them.
    own = [one for one in evaluations if models[one.model_id].dataset_id == sample.dataset_id]
    names = names_of(sample.classes, (own or list(evaluations))[0].classes)
    return LabelledTable(
        group=sample.dataset_id,
        ticks=points.ticks[rows],
        labels=np.array(names, object)[points.labels[rows]],
        probabilities={name: values[judged] for name, values in outputs.items()},
    )


def _connected(tables: Iterable[LabelledTable], models: Mapping[str, Model]) -> list[set[str]]:
    """The sets of class names that tables and models on them connect."""
    groups: list[set[str]] = []
    for table in tables:
        names = {str(label) for label in table.labels}
        names |= {name for model_id in table.probabilities for name in models[model_id].classes}
        for group in [group for group in groups if group & names]:
            names |= group
            groups.remove(group)
        groups.append(names)
    return groups


def _known(model: Model, signature: Signature | None) -> KnownModel:
    coreset = None if signature is None else Coreset.of(model.dataset_id, signature)
    evidence = evidence_of_one(model, signature, coreset)
    return KnownModel(
        name=model.id,
        group=model.dataset_id or model.id,
        classes=evidence.classes,
        source=evidence.source,
        accuracy=evidence.accuracy,
        temperature=evidence.temperature,
    )
