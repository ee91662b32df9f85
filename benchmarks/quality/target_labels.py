"""The labels of the zoo's targets, which the built zoo keeps to itself: built once more in memory, and matched."""

from __future__ import annotations

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray
from rich.console import Console

from examples.zoo.building import RECIPES
from examples.zoo.fetch import fetch_all
from examples.zoo.locations import archive_folder, zoo_folder
from examples.zoo.reading import target_path
from examples.zoo.training import one_deterministic_thread


def read_target_labels(name: str) -> dict[str, NDArray[np.str_]]:
    """Labels of every target of a workload, in the order of its rows.

    Raises:
        FileNotFoundError: the workload's archives, or its built zoo, are not there.
        ValueError: the zoo was built by another version of the recipes.
    """
    recipe = next(recipe for recipe in RECIPES if recipe.name == name)
    archives = fetch_all(archive_folder(), Console(quiet=True))
    if absent := archives.absent(recipe.needs):
        raise FileNotFoundError("; ".join(absent))
    with one_deterministic_thread():
        workload = recipe.build(archives, lambda _: None)
    found = {}
    for target in workload.targets:
        path = target_path(zoo_folder() / name, target.name)
        if not pq.read_table(path).equals(target.rows.combine_chunks()):
            raise ValueError(f"{path} is of another version: run `python -m examples.zoo build`")
        found[target.name] = np.array([str(label) for label in target.labels])
    return found


def count_metric(votes: NDArray[np.int64], labels: NDArray[np.int64], positive: int | None) -> NDArray[np.float64]:
    """The metric of each candidate by counting. votes [C, n], labels [n] -> [C]"""
    if positive is None:
        result: NDArray[np.float64] = (votes == labels).mean(axis=1) if len(labels) else np.zeros(len(votes))
        return result
    hits = ((votes == positive) & (labels == positive)).sum(axis=1)
    return 2 * hits / np.maximum((votes == positive).sum(axis=1) + (labels == positive).sum(), 1)
