"""The models in memory: an immutable value, sorted the way ties are ordered."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from search_service.domain.catalog import Model

Key = tuple[str, str, str]

_FEW_CHANGES = 256


class Snapshot:
    """All models without their cards, by name, version and id: a stable sort by value orders ties as promised.

    A position in `models` means something within this snapshot only.
    """

    def __init__(self, models: Sequence[Model], keys: Sequence[Key] | None = None) -> None:
        self.models = models
        self._keys = [_key(model) for model in models] if keys is None else keys
        self._joins: dict[str, tuple[Sequence[str], NDArray[np.int64]]] = {}

    @classmethod
    def of(cls, models: Iterable[Model]) -> Snapshot:
        """The snapshot of these models, in any order."""
        return cls(sorted(models, key=_key))

    def __len__(self) -> int:
        return len(self.models)

    def changed(self, old: Iterable[Model], new: Iterable[Model]) -> Snapshot:
        """The snapshot without the models `old` (those of this snapshot) and with the models `new`."""
        old, new = list(old), list(new)
        if len(old) + len(new) > _FEW_CHANGES:
            gone = {model.id for model in old}
            return Snapshot.of([*(model for model in self.models if model.id not in gone), *new])
        models, keys = list(self.models), list(self._keys)
        for model in old:
            position = bisect_left(keys, _key(model))
            del models[position], keys[position]
        for model in new:
            key = _key(model)
            position = bisect_left(keys, key)
            models.insert(position, model)
            keys.insert(position, key)
        return Snapshot(models, keys)

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """Where each model is, by id."""
        return {model.id: position for position, model in enumerate(self.models)}

    @cached_property
    def without_source(self) -> int:
        """How many models name no source dataset."""
        return sum(not model.dataset_id for model in self.models)

    def mask(self, model_ids: Iterable[str]) -> NDArray[np.bool_]:
        """Which models these are. [len(self)]"""
        mask = np.zeros(len(self.models), np.bool_)
        positions = self.positions
        mask[[positions[model_id] for model_id in model_ids if model_id in positions]] = True
        return mask

    def join(self, space_digest: str, dataset_ids: Sequence[str]) -> NDArray[np.int64]:
        """For each model the position of its source dataset in `dataset_ids`, or -1. [len(self)]

        The index gives the same sequence until it changes, so the result is kept for the next search in the space.
        """
        kept = self._joins.get(space_digest)
        if kept is not None and kept[0] is dataset_ids:
            return kept[1]
        where = {dataset_id: position for position, dataset_id in enumerate(dataset_ids)}
        joined = np.fromiter((where.get(model.dataset_id, -1) for model in self.models), np.int64, len(self.models))
        self._joins[space_digest] = (dataset_ids, joined)
        return joined


def _key(model: Model) -> Key:
    return model.name, model.version, model.id
