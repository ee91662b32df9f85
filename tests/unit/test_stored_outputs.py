"""Outputs on their way back to the owner of the sample."""

from __future__ import annotations

import numpy as np

from search_service.usecases.outputs import Outputs
from search_service.usecases.stored_outputs import CHUNK_BYTES, StoredOutputs


def test_outputs_are_cut_into_messages_of_one_mebibyte() -> None:
    values = np.random.default_rng(0).random((150_000, 3)).astype(np.float32)
    stored = StoredOutputs(Outputs(("a", "b", "c"), values, np.zeros((0, 150_000), np.int16)), "")
    chunks = list(stored.chunks())
    assert [len(chunk) for chunk in chunks] == [CHUNK_BYTES, values.nbytes - CHUNK_BYTES]
    np.testing.assert_array_equal(np.frombuffer(b"".join(chunks), "<f4").reshape(values.shape), values)
