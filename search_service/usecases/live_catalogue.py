"""What a replica keeps in memory to answer searches: the models, the index, and how it follows the database.

The database is the truth; this is a cache of it, brought up to date by the change log. Changes of other replicas are
seen within a poll; changes of this replica are seen by the next search.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import groupby
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.signature import Signature
from search_service.domain.catalog import FeatureSpace, Filter, Model
from search_service.domain.ports import Change, Database, UnitOfWork
from search_service.domain.profiling import Figures
from search_service.domain.ranking import SignatureIndex
from search_service.usecases.signature_cache import SignatureCache
from search_service.usecases.snapshot import Snapshot

POLL_INTERVAL_S = 0.25
_CHANGES_AT_ONCE = 1000
_SIGNATURES_AT_ONCE = 4096
_KEPT_MASKS = 64
_KEPT_NAMES = 100_000
_KEPT_FIGURES = 8

FiguresByModel: TypeAlias = Mapping[str, Sequence[Figures]]
_Asked: TypeAlias = tuple[tuple[str, ...], str, str]
"""Quantities, load and host class."""


class LiveCatalogue:
    """Safe to share between threads. `signatures` is the cache that a changed dataset is dropped from."""

    def __init__(
        self,
        database: Database,
        index: SignatureIndex,
        signatures: SignatureCache,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.index = index
        self.signatures = signatures
        self._database = database
        self._monotonic = monotonic
        self._updating = threading.Lock()
        self._snapshot = Snapshot.of(())
        self._by_id: dict[str, Model] = {}
        self._sequence = 0
        self._checked_at = float("-inf")
        self._own_commits = 0
        self._own_commits_seen = 0
        self._spaces: dict[str, FeatureSpace] = {}
        self._dataset_names: dict[str, str] = {}
        self._profiles_changed_at = 0
        self._figures: OrderedDict[_Asked, tuple[int, FiguresByModel]] = OrderedDict()
        self._masks: OrderedDict[Filter, tuple[Snapshot, NDArray[np.bool_]]] = OrderedDict()

    @property
    def snapshot(self) -> Snapshot:
        """The models as of the last refresh."""
        return self._snapshot

    def load(self) -> int:
        """Reads everything, once at start. Returns the number of models.

        What is committed meanwhile may be read here, or by the next refresh, or by both.
        """
        with self._updating, self._database.begin() as unit:
            self._sequence = unit.changes.last()
            with ThreadPoolExecutor(1, thread_name_prefix="msearch-load") as builder:
                # The index takes in one batch while the next is read and decoded.
                indexing: Future[None] | None = None
                for entries in _batches(unit.datasets.scan_signatures(), _SIGNATURES_AT_ONCE):
                    decoded = [(dataset_id, Signature.from_checked_bytes(data)) for dataset_id, _, data in entries]
                    if indexing is not None:
                        indexing.result()
                    indexing = builder.submit(self.index.put_many, decoded)
                if indexing is not None:
                    indexing.result()
            self._by_id = {model.id: model for model in unit.models.scan()}
            self._snapshot = Snapshot.of(self._by_id.values())
            self._checked_at = self._monotonic()
        return len(self._snapshot)

    def note_own_commit(self) -> None:
        """After a commit of this replica the next refresh looks, whatever the age of the last look."""
        self._own_commits += 1

    def refresh(self, max_age_s: float = 0.0) -> int:
        """Applies the changes since the last look, unless that is at most `max_age_s` ago. Returns their number.

        Raises:
            Unavailable: the database does not answer.
        """
        if self._is_fresh(max_age_s):
            return 0
        with self._updating:
            if self._is_fresh(max_age_s):
                return 0
            commits, started = self._own_commits, self._monotonic()
            count = 0
            with self._database.begin() as unit:
                while changes := unit.changes.since(self._sequence, _CHANGES_AT_ONCE):
                    self._apply(unit, changes)
                    self._sequence = changes[-1].sequence
                    count += len(changes)
            self._own_commits_seen, self._checked_at = commits, started
            return count

    def space(self, digest: str) -> FeatureSpace:
        """A registered feature space. Raises NotFound (FEATURE_SPACE_NOT_FOUND)."""
        space = self._spaces.get(digest)
        if space is None:
            with self._database.begin() as unit:
                space = unit.spaces.get(digest)
            self._spaces[digest] = space  # a space never changes but for its description
        return space

    def matching(self, filter: Filter, snapshot: Snapshot) -> NDArray[np.bool_]:
        """Which models of the snapshot pass the filter. [len(snapshot)]; do not write to it."""
        kept = self._masks.get(filter)
        if kept is not None and kept[0] is snapshot:
            return kept[1]
        with self._database.begin() as unit:
            mask = snapshot.mask(unit.models.matching_ids(filter))
        with self._updating:
            self._masks[filter] = (snapshot, mask)
            self._masks.move_to_end(filter)
            while len(self._masks) > _KEPT_MASKS:
                self._masks.popitem(last=False)
        return mask

    def figures(self, metrics: tuple[str, ...], load_text: str, host_class: str) -> FiguresByModel:
        """What `ProfileStore.best_candidates` gives of all models, by model id, as of the last refresh or later."""
        asked, seen = (metrics, load_text, host_class), self._profiles_changed_at
        kept = self._figures.get(asked)
        if kept is not None and kept[0] == seen:
            return kept[1]
        with self._database.begin() as unit:
            found = unit.profiles.best_candidates(metrics, model_ids=None, load_text=load_text, host_class=host_class)
        by_model = figures_by_model(found)
        with self._updating:
            self._figures[asked] = (seen, by_model)
            self._figures.move_to_end(asked)
            while len(self._figures) > _KEPT_FIGURES:
                self._figures.popitem(last=False)
        return by_model

    def dataset_names(self, dataset_ids: Sequence[str]) -> dict[str, str]:
        """Names by id; a dataset that has just gone is left out."""
        kept = self._dataset_names
        names = {dataset_id: kept[dataset_id] for dataset_id in dataset_ids if dataset_id in kept}
        missing = [dataset_id for dataset_id in dict.fromkeys(dataset_ids) if dataset_id not in names]
        if missing:
            with self._database.begin() as unit:
                found = unit.datasets.names(missing)
            if len(self._dataset_names) + len(found) > _KEPT_NAMES:
                self._dataset_names = {}
            self._dataset_names.update(found)
            names |= found
        return names

    def _is_fresh(self, max_age_s: float) -> bool:
        if self._own_commits != self._own_commits_seen:
            return False
        return max_age_s > 0 and self._monotonic() - self._checked_at <= max_age_s

    def _apply(self, unit: UnitOfWork, changes: Sequence[Change]) -> None:
        # Datasets first: a model that becomes visible finds its source in the index.
        self._replace_datasets(unit, list(dict.fromkeys(change.id for change in changes if change.kind == "dataset")))
        self._profiles_changed_at = max(
            (change.sequence for change in changes if change.kind == "profiles"), default=self._profiles_changed_at
        )
        model_ids = list(dict.fromkeys(change.id for change in changes if change.kind == "model"))
        if model_ids:
            found = unit.models.get_many(model_ids)
            known = [self._by_id.pop(model_id) for model_id in model_ids if model_id in self._by_id]
            self._by_id |= found
            self._snapshot = self._snapshot.changed(known, found.values())

    def _replace_datasets(self, unit: UnitOfWork, dataset_ids: Sequence[str]) -> None:
        entries: list[tuple[str, Signature]] = []
        for dataset_id in dataset_ids:
            self.signatures.forget(dataset_id)
            self._dataset_names.pop(dataset_id, None)
            stored = unit.datasets.signatures(dataset_id)
            entries += [(dataset_id, Signature.from_checked_bytes(signature.data)) for signature in stored]
            if not stored:
                self.index.remove(dataset_id)
        if entries:
            self.index.put_many(entries)  # far cheaper than one by one


def figures_by_model(figures: Sequence[Figures]) -> FiguresByModel:
    """By model id, what stands by model already."""
    return {model_id: tuple(group) for model_id, group in groupby(figures, key=lambda one: one.model_id)}


def _batches(items: Iterable[tuple[str, str, bytes]], size: int) -> Iterator[list[tuple[str, str, bytes]]]:
    batch: list[tuple[str, str, bytes]] = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
