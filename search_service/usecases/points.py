"""The points of a sample's rows in its feature space, as they are kept in a blob: plain arrays, nothing pickled."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -1


@dataclass(frozen=True, slots=True, eq=False)
class Points:
    """Row by row: `ticks` [n, d], `readable` [n] (a row that is not has meaningless ticks), `labels` [n].

    A label is an index into the sample's classes, or UNLABELLED.
    """

    ticks: NDArray[np.int16]
    readable: NDArray[np.bool_]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        """Rows, readable or not."""
        return len(self.ticks)

    def encode(self) -> bytes:
        """An uncompressed .npz."""
        return encode_arrays(ticks=self.ticks, readable=self.readable, labels=self.labels)

    @classmethod
    def decode(cls, chunks: Iterable[bytes]) -> Points:
        """Reads what `encode` gave."""
        arrays = decode_arrays(chunks)
        return cls(arrays["ticks"], arrays["readable"], arrays["labels"])


def encode_arrays(**arrays: NDArray[Any]) -> bytes:
    """An uncompressed .npz; the same arrays give the same bytes."""
    stream = io.BytesIO()
    np.savez(stream, allow_pickle=False, **arrays)
    return stream.getvalue()


def decode_arrays(chunks: Iterable[bytes]) -> dict[str, NDArray[Any]]:
    """Reads what `encode_arrays` gave."""
    with np.load(io.BytesIO(b"".join(chunks)), allow_pickle=False) as file:
        return {name: file[name] for name in file.files}
