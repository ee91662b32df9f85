"""Text: strings as they are, tokens, hashed n-grams, or the features of the sketch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa

from msearch_card.encodings import FeaturiserEncoding, HashingEncoding, TokenizerEncoding
from msearch_card.featurising import featurise
from msearch_card.hashing import hash_texts
from msearch_card.input_specs import TextInput
from msearch_card.inputs.base import ONLY_INPUT, Prepared, row_problem
from msearch_card.inputs.columns import read_column
from msearch_card.tokenizing import tokenise


def prepare(spec: TextInput, batch: pa.RecordBatch, base: Path | None) -> Prepared:
    """Skips rows whose text is missing; an empty text is kept.

    raw: [m] or [m, 1] object (str). tokenizer: ids, mask and type ids, each [m, length] int64.
    hashing: [m, features] float32. featuriser: [m, d] float32.
    """
    name = spec.tensor or ONLY_INPUT
    column = read_column(batch, spec.column, "input.column", ["string", "category"])
    encoding = spec.encoding
    if isinstance(encoding, FeaturiserEncoding):
        features = featurise(encoding.name, "text", {spec.column: column})
        return Prepared({name: features.units}, features.kept, features.problem)
    texts: list[str | None] = column.to_pylist()
    kept = np.fromiter((text is not None for text in texts), np.bool_, len(texts))
    problem = "" if kept.all() else row_problem(int(np.argmin(kept)), f"column {spec.column!r} is missing")
    present = [text for text in texts if text is not None]
    if isinstance(encoding, HashingEncoding):
        return Prepared({name: hash_texts(present, encoding).dense()}, kept, problem)
    if isinstance(encoding, TokenizerEncoding):
        tokens = tokenise(present, encoding, base)
        tensors = {name: tokens.ids}
        if encoding.attention_mask:
            tensors[encoding.attention_mask] = tokens.mask
        if encoding.token_types:
            tensors[encoding.token_types] = tokens.types
        return Prepared(tensors, kept, problem)
    strings = np.empty(len(present), object)
    strings[:] = present
    return Prepared({name: strings[:, None] if encoding.rank == 2 else strings}, kept, problem)
