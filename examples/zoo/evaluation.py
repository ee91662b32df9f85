"""Measures, in this process, how well each score orders the zoo's models for its targets."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np

from examples.zoo.entries import LABEL
from examples.zoo.quality import Quality, Values, judge, mean_quality, mean_ranks
from examples.zoo.reading import ListedModel, read_models, read_truth, target_path
from msearch_sketch import FeatureSpace, Signature, default_space, open_dataset, sketch
from search_service.domain.ranking import Score, Source

Notice = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class _Sketched:
    """The sources and targets of a workload as signatures of one space."""

    space: FeatureSpace
    models: list[ListedModel]
    sources: list[Source]
    targets: dict[str, Signature]


def evaluate(folder: Path, scores: Mapping[str, Score], notice: Notice, *, pairs: bool = False) -> dict[str, Quality]:
    """Mean quality over the targets of a workload, by score; with `pairs` also of the mean rank of any two.

    Candidates without a source, and those that are related to the target, are left out.
    """
    sketched = _sketch(folder, notice)
    truth = read_truth(folder)
    judged: dict[str, list[Quality]] = {}
    for target, signature in sketched.targets.items():
        notice(f"scoring {target}")
        true_values = truth.values(target)
        chosen = [row for row, model in enumerate(sketched.models) if model.name not in truth.related(target)]
        sources = [sketched.sources[row] for row in chosen]
        reached = np.array([true_values[sketched.models[row].name] for row in chosen])
        columns: dict[str, Values] = {}
        for name, score in scores.items():
            values = score.compute(signature, sources, sketched.space).values
            columns[name] = values if score.info.higher_is_better else -values
        if pairs:
            for first, second in combinations(sorted(scores), 2):
                columns[f"{first} + {second}"] = mean_ranks([columns[first], columns[second]])
        columns["(any order)"] = np.zeros(len(chosen))
        for name, column in columns.items():
            judged.setdefault(name, []).append(judge(column, reached))
    return {name: mean_quality(qualities) for name, qualities in judged.items()}


def _sketch(folder: Path, notice: Notice) -> _Sketched:
    models = [model for model in read_models(folder) if model.data is not None]
    space: FeatureSpace | None = None
    by_source: dict[str, Signature] = {}
    for model in models:
        if model.source is None or model.data is None or model.source in by_source:
            continue
        notice(f"sketching {model.source}")
        dataset = open_dataset(model.data, labels=LABEL)
        # As in the service: a space tied to a schema is fitted on the first source that needs it.
        space = space or default_space(dataset)
        by_source[model.source] = sketch(dataset, space).signature
    if space is None:
        raise ValueError(f"{folder} holds no model with a source")
    targets = {}
    for name in read_truth(folder).targets:
        notice(f"sketching {name}")
        targets[name] = sketch(open_dataset(target_path(folder, name)), space).signature
    sources = [Source(by_source[str(model.source)], model.claimed_accuracy) for model in models]
    return _Sketched(space, models, sources, targets)
