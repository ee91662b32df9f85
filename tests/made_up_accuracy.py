"""Candidates whose accuracy is known by construction, for tests of the accuracy predictor."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.evidence import CandidateEvidence, Coreset, TargetEvidence
from msearch_accuracy.fitting import KnownModel, LabelledTable, Workload
from msearch_sketch.spaces import TICKS_PER_UNIT

CLASSES = ("cat", "dog", "eel")
DIMENSION = 6


def place(domain: int, labels: NDArray[np.int64], random: np.random.Generator) -> NDArray[np.float32]:
    """Rows of a domain: classes apart along one axis that turns with the domain, domains apart along another."""
    rows = random.normal(0, 0.5, (len(labels), DIMENSION))
    rows[:, 0] += 2.0 * (labels - 1)
    rows[:, 1] += 1.5 * domain
    return rows.astype(np.float32)


def outputs(
    accuracy: float, labels: NDArray[np.int64], random: np.random.Generator, classes: int = 3
) -> NDArray[np.float64]:
    """Outputs that are right with this probability, and surer where they are right."""
    right = random.random(len(labels)) < accuracy
    votes = np.where(right, labels, (labels + random.integers(1, classes, len(labels))) % classes)
    sure = np.where(right, random.uniform(0.6, 0.98, len(labels)), random.uniform(0.4, 0.8, len(labels)))
    values = np.tile(((1 - sure) / (classes - 1))[:, None], (1, classes))
    values[np.arange(len(labels)), votes] = sure
    return values


def reach(model_domain: int, table_domain: int) -> float:
    """What the model of one domain reaches on another: less, the further."""
    return max(0.4, 0.95 - 0.12 * abs(model_domain - table_domain))


def made_up_coreset(domain: int, seed: int = 0, classes: tuple[str, ...] = CLASSES) -> Coreset:
    """60 labelled centroids of a domain."""
    random = np.random.default_rng([seed, domain])
    labels = np.arange(60) % len(classes)
    return Coreset.of_points(
        f"source-{domain}", place(domain, labels, random), np.full(60, 5, np.float32), labels, classes
    )


def made_up_workload(domains: int = 6, rows: int = 120, seed: int = 0) -> Workload:
    """One model and one labelled table a domain."""
    random = np.random.default_rng(seed)
    models = tuple(
        KnownModel(f"model-{domain}", f"source-{domain}", CLASSES, made_up_coreset(domain), 0.95)
        for domain in range(domains)
    )
    tables = []
    for domain in range(domains):
        labels = random.integers(0, 3, rows)
        tables.append(
            LabelledTable(
                f"source-{domain}",
                _ticks(place(domain, labels, random)),
                np.array(CLASSES, object)[labels],
                {f"model-{m}": outputs(reach(m, domain), labels, random) for m in range(domains)},
            )
        )
    return Workload("made up", models, tuple(tables))


def made_up_target(
    domain: int, domains: int = 6, rows: int = 200, seed: int = 1
) -> tuple[list[CandidateEvidence], TargetEvidence, NDArray[np.float64]]:
    """Candidates that were run, a target, and the accuracies truly reached on it."""
    random = np.random.default_rng([seed, domain])
    labels = random.integers(0, 3, rows)
    told = [outputs(reach(m, domain), labels, random) for m in range(domains)]
    candidates = [CandidateEvidence(f"model-{m}", CLASSES, told[m], made_up_coreset(m), 0.95) for m in range(domains)]
    true = np.array([(values.argmax(axis=1) == labels).mean() for values in told])
    return candidates, TargetEvidence(_ticks(place(domain, labels, random))), true


def _ticks(rows: NDArray[np.float32]) -> NDArray[np.int16]:
    return np.round(rows * TICKS_PER_UNIT).astype(np.int16)
