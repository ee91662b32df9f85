"""A workload seen in another feature space: same rows, models and outputs, other points and signatures."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.quality.zoo_workloads import Bench, Ticks, sample_paths
from examples.zoo.entries import LABEL
from examples.zoo.locations import zoo_folder
from examples.zoo.reading import read_models, target_path
from msearch_accuracy import Coreset
from msearch_sketch import FeatureSpace, open_dataset, project, sketch


def see_in_space(bench: Bench, space: FeatureSpace) -> Bench:
    """The workload with all its rows projected and sketched anew in `space`; no model is run.

    Raises:
        FileNotFoundError: the zoo is no longer there.
    """
    folder = zoo_folder() / bench.name
    models = [model for model in read_models(folder) if model.data is not None]
    sources = {str(model.source): model.data for model in models}
    signatures = {name: sketch(open_dataset(path, labels=LABEL), space).signature for name, path in sources.items()}
    cores = {name: Coreset.of(name, signature) for name, signature in signatures.items()}
    tables = tuple(
        replace(table, ticks=_ticks(pq.read_table(path), space))
        for table, path in zip(bench.workload.tables, sample_paths(folder, models).values(), strict=True)
    )
    known = tuple(replace(model, source=cores[bench.sources[model.name]]) for model in bench.workload.models)
    targets = tuple(
        replace(
            target,
            ticks=_ticks(pq.read_table(target_path(folder, target.name)), space),
            signature=sketch(open_dataset(target_path(folder, target.name)), space).signature,
        )
        for target in bench.targets
    )
    return replace(
        bench,
        workload=replace(bench.workload, models=known, tables=tables),
        space=space,
        targets=targets,
        signatures=signatures,
        source_ticks={name: _ticks(pq.read_table(path), space) for name, path in sources.items()},
    )


def _ticks(rows: pa.Table, space: FeatureSpace) -> Ticks:
    """Points of every row, labels left out.

    Raises:
        ValueError: a row cannot be read, so outputs and points would no longer belong together.
    """
    points = project(open_dataset(rows.drop_columns([LABEL]) if LABEL in rows.column_names else rows), space)
    if not np.all(points.kept):
        raise ValueError(f"a row of the zoo cannot be read: {points.problem}")
    return points.ticks
