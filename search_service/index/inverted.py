"""The index over all spaces: immutable segments behind one reference, tombstones, geometric merges."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import chain, compress, count

import numpy as np
from numpy.typing import NDArray

from msearch_sketch.errors import SignatureError
from msearch_sketch.signature import Signature
from search_service.domain.ranking import Coverage
from search_service.index.compaction import plan_merge, plan_tidying
from search_service.index.segment import MOST_SOURCES, Segment, Target
from search_service.index.warm_up import warm_up

_SOURCES_AT_ONCE = 4096  # bounds what building a segment takes beside the index
_TIDIED_SOURCES = 2048  # merged within some tens of milliseconds


@dataclass(frozen=True, slots=True)
class IndexSize:
    """What the index of one space holds. `postings` counts those of removed datasets that no merge has dropped yet."""

    datasets: int
    segments: int
    postings: int
    size_bytes: int


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """A segment and which of its sources are still there. `alive` [n] is replaced, never written to."""

    serial: int
    segment: Segment
    alive: NDArray[np.bool_]

    @cached_property
    def count(self) -> int:
        return int(self.alive.sum())

    @cached_property
    def whole(self) -> bool:
        return self.count == self.alive.size

    @property
    def worn(self) -> bool:
        """Whether most of it is dead weight."""
        return 2 * self.count < self.alive.size

    def alive_ids(self) -> Iterator[str]:
        return iter(self.segment.dataset_ids) if self.whole else compress(self.segment.dataset_ids, self.alive.tolist())


@dataclass(frozen=True, kw_only=True, eq=False)
class _Snapshot:
    """All of one space at one moment; what a reader works on, however long it takes."""

    resolutions: int
    tables: int
    parts: tuple[_Part, ...] = ()

    @cached_property
    def dataset_ids(self) -> tuple[str, ...]:
        return tuple(chain.from_iterable(part.alive_ids() for part in self.parts))

    def check(self, signature: Signature) -> None:
        # The kernels do not check bounds.
        if (signature.resolutions, signature.tables) != (self.resolutions, self.tables):
            raise SignatureError(
                f"the signature has {signature.resolutions} resolutions and {signature.tables} tables, its space "
                f"{signature.space_digest[:12]} has {self.resolutions} and {self.tables}"
            )


@dataclass(slots=True)
class _Space:
    """`where` says in which part, by serial, and at which ordinal a dataset is. Only writers use it."""

    snapshot: _Snapshot
    where: dict[str, tuple[int, int]] = field(default_factory=dict)


class InvertedIndex:
    """Implements `domain.ranking.SignatureIndex`.

    Readers take a snapshot and never wait. Writers take turns; a put costs a few rewrites of the signature's keys on
    average (`compaction.plan_merge`), and now and then one writer waits for a merge of up to `most_sources`.

    `fan` segments of a tier make one of the next; `most_sources` bounds a segment, and with it the size of its
    accumulators and the memory a merge takes beside the index.
    """

    def __init__(self, *, fan: int = 8, most_sources: int = 1 << 14) -> None:
        if not (fan >= 2 and 1 <= most_sources <= MOST_SOURCES):
            raise ValueError(f"fan must be at least 2 and most_sources from 1 to {MOST_SOURCES}")
        self._fan = fan
        self._most_sources = most_sources
        self._spaces: dict[str, _Space] = {}
        self._writing = threading.Lock()
        self._serials = count()
        warm_up()

    def put(self, dataset_id: str, signature: Signature) -> None:
        """Adds or replaces the dataset's signature in the signature's space.

        Raises:
            SignatureError: it has other numbers of tables or resolutions than the space.
        """
        self.put_many([(dataset_id, signature)])

    def put_many(self, entries: Sequence[tuple[str, Signature]]) -> None:
        """As `put`; the last of several entries with the same id and space counts. A refused batch changes nothing.

        Fastest with a few thousand entries at once; readers may see a larger batch arrive in parts of 4,096.
        """
        by_space: dict[str, dict[str, Signature]] = {}
        for dataset_id, signature in entries:
            by_space.setdefault(signature.space_digest, {})[dataset_id] = signature
        for digest, signatures in by_space.items():
            snapshot = self._snapshot(digest) or _empty_snapshot(next(iter(signatures.values())))
            for signature in signatures.values():
                snapshot.check(signature)
        segments = [(digest, segment) for digest, signatures in by_space.items() for segment in self._build(signatures)]
        with self._writing:
            for digest, segment in segments:
                self._install(digest, segment)

    def remove(self, dataset_id: str) -> None:
        """Removes the dataset from every space; harmless if it is not there."""
        with self._writing:
            for digest, space in list(self._spaces.items()):
                parts = _bury(space, [dataset_id])
                if parts is not None:
                    self._publish(digest, space, parts)

    def tidy(self) -> None:
        """Merges each space's smallest segments: a query costs a look-up of every key in every segment."""
        with self._writing:
            for digest, space in self._listed():
                parts = list(space.snapshot.parts)
                due = plan_tidying([part.count for part in parts], min(_TIDIED_SOURCES, self._most_sources))
                if due:
                    self._publish(digest, space, self._merge(space, parts, due))

    def coverage(self, target: Signature) -> Coverage:
        """Adaptivity of every dataset in the target's space; the same numbers as the score `adaptivity` gives.

        Raises:
            SignatureError: the target has other numbers of tables or resolutions than the space.
        """
        return self.measure(target)[0]

    def measure(self, target: Signature) -> tuple[Coverage, int]:
        """As `coverage`, and the number of postings touched for it."""
        snapshot = self._snapshot(target.space_digest)
        if snapshot is None:
            return Coverage((), np.empty(0), np.empty(0)), 0
        snapshot.check(target)
        prepared = Target.from_signature(target)
        values, supports, touched = [], [], 0
        for part in snapshot.parts:
            value, support, postings = part.segment.coverage(prepared)
            values.append(value if part.whole else value[part.alive])
            supports.append(support if part.whole else support[part.alive])
            touched += postings
        return Coverage(snapshot.dataset_ids, np.concatenate(values), np.concatenate(supports)), touched

    def spaces(self) -> dict[str, int]:
        """Number of datasets by space digest."""
        return {digest: sum(part.count for part in space.snapshot.parts) for digest, space in self._listed()}

    def sizes(self) -> dict[str, IndexSize]:
        """What the index holds, by space digest."""
        sizes = {}
        for digest, space in self._listed():
            segments = [part.segment for part in space.snapshot.parts]
            sizes[digest] = IndexSize(
                datasets=sum(part.count for part in space.snapshot.parts),
                segments=len(segments),
                postings=sum(segment.postings for segment in segments),
                size_bytes=sum(segment.size_bytes for segment in segments),
            )
        return sizes

    def _listed(self) -> list[tuple[str, _Space]]:
        return list(self._spaces.items())  # a copy: writers add spaces meanwhile

    def _snapshot(self, digest: str) -> _Snapshot | None:
        space = self._spaces.get(digest)
        return None if space is None else space.snapshot

    def _build(self, signatures: dict[str, Signature]) -> Iterator[Segment]:
        ids, values = list(signatures), list(signatures.values())
        step = min(self._most_sources, _SOURCES_AT_ONCE)
        for first in range(0, len(ids), step):
            chunk = slice(first, first + step)
            yield Segment.from_signatures(ids[chunk], values[chunk])

    def _install(self, digest: str, segment: Segment) -> None:
        space = self._spaces.get(digest)
        if space is None:
            space = _Space(_Snapshot(resolutions=segment.levels.shape[1], tables=segment.tables))
        elif segment.tables != space.snapshot.tables or segment.levels.shape[1] != space.snapshot.resolutions:
            raise SignatureError(f"another writer put signatures of another shape into space {digest[:12]}")
        kept = _bury(space, segment.dataset_ids)
        parts = list(space.snapshot.parts) if kept is None else kept
        self._publish(digest, space, [*parts, self._adopt(space, segment)])

    def _adopt(self, space: _Space, segment: Segment) -> _Part:
        serial = next(self._serials)
        space.where.update((dataset_id, (serial, ordinal)) for ordinal, dataset_id in enumerate(segment.dataset_ids))
        return _Part(serial=serial, segment=segment, alive=np.ones(len(segment.dataset_ids), np.bool_))

    def _publish(self, digest: str, space: _Space, parts: list[_Part]) -> None:
        """Swaps the snapshot, at once and again after every merge that is due."""
        while True:
            parts = [part for part in parts if part.count]
            space.snapshot = replace(space.snapshot, parts=tuple(parts))
            if parts:
                self._spaces[digest] = space
            else:
                self._spaces.pop(digest, None)
            due = plan_merge([part.count for part in parts], self._fan, self._most_sources)
            due = due or [position for position, part in enumerate(parts) if part.worn][:1]
            if not due:
                return
            parts = self._merge(space, parts, due)

    def _merge(self, space: _Space, parts: Sequence[_Part], due: Sequence[int]) -> list[_Part]:
        """The parts with those at the positions `due` merged into one."""
        merging = [parts[position] for position in due]
        merged = Segment.merge([part.segment for part in merging], [part.alive for part in merging])
        rest = [part for position, part in enumerate(parts) if position not in set(due)]
        return [*rest, self._adopt(space, merged)]


def _empty_snapshot(signature: Signature) -> _Snapshot:
    return _Snapshot(resolutions=signature.resolutions, tables=signature.tables)


def _bury(space: _Space, dataset_ids: Sequence[str]) -> list[_Part] | None:
    """The space's parts without these datasets, or None if it held none of them."""
    graves: dict[int, list[int]] = {}
    for dataset_id in dataset_ids:
        place = space.where.pop(dataset_id, None)
        if place is not None:
            graves.setdefault(place[0], []).append(place[1])
    if not graves:
        return None
    parts = []
    for part in space.snapshot.parts:
        if part.serial in graves:
            alive = part.alive.copy()
            alive[graves[part.serial]] = False
            parts.append(replace(part, alive=alive))
        else:
            parts.append(part)
    return parts
