"""Decoded signatures of source datasets, the most recently used first to stay, within a number of bytes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from msearch_sketch.signature import Signature


class SignatureCache:
    """Safe to share between threads. A signature counts as the bytes of its encoding, which its arrays refer to."""

    def __init__(self, largest_bytes: int) -> None:
        self._largest_bytes = largest_bytes
        self._lock = threading.Lock()
        self._bytes = 0
        self._changes = 0
        self._by_dataset: OrderedDict[str, dict[str, tuple[Signature, int]]] = OrderedDict()

    @property
    def size_bytes(self) -> int:
        """Bytes kept at the moment."""
        return self._bytes

    def get_many(
        self, space_digest: str, dataset_ids: Sequence[str], load: Callable[[Sequence[str]], dict[str, bytes]]
    ) -> dict[str, Signature]:
        """Signatures by dataset id; `load` reads those that are not kept, and one it does not find is left out."""
        found: dict[str, Signature] = {}
        with self._lock:
            changes = self._changes
            for dataset_id in dataset_ids:
                kept = self._by_dataset.get(dataset_id, {}).get(space_digest)
                if kept is not None:
                    found[dataset_id] = kept[0]
                    self._by_dataset.move_to_end(dataset_id)
        missing = [dataset_id for dataset_id in dict.fromkeys(dataset_ids) if dataset_id not in found]
        if missing:
            encoded = load(missing)
            loaded = {
                dataset_id: (Signature.from_checked_bytes(data), len(data)) for dataset_id, data in encoded.items()
            }
            found |= {dataset_id: signature for dataset_id, (signature, _) in loaded.items()}
            with self._lock:
                if changes == self._changes:  # else some of these may be outdated already
                    self._keep(space_digest, loaded)
        return found

    def forget(self, dataset_id: str) -> None:
        """The dataset has changed or gone."""
        with self._lock:
            self._changes += 1
            self._drop(dataset_id)

    def _keep(self, space_digest: str, loaded: dict[str, tuple[Signature, int]]) -> None:
        for dataset_id, entry in loaded.items():
            entries = self._by_dataset.setdefault(dataset_id, {})
            replaced = entries.get(space_digest)
            self._bytes += entry[1] - (replaced[1] if replaced else 0)
            entries[space_digest] = entry
        while self._bytes > self._largest_bytes:
            self._drop(next(iter(self._by_dataset)))

    def _drop(self, dataset_id: str) -> None:
        self._bytes -= sum(size for _, size in self._by_dataset.pop(dataset_id, {}).values())
