"""The hashing vectoriser against scikit-learn's, the hash against scikit-learn's C code, and cards through JSON."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.feature_extraction.text import HashingVectorizer
from sklearn.utils import murmurhash3_32

from msearch_card.encodings import HashingEncoding
from msearch_card.hashing import hash_texts, murmur3

TEXTS = st.lists(
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("aAbß İ \t\n_1")), max_size=60), max_size=6
)


@given(st.lists(st.binary(max_size=40), max_size=20))
def test_murmur3_is_that_of_scikit_learn(keys: list[bytes]) -> None:
    assert murmur3(keys).tolist() == [murmurhash3_32(key, seed=0) for key in keys]


@given(st.data())
@settings(max_examples=200)
def test_hashing_gives_the_numbers_of_scikit_learn(data: st.DataObject) -> None:
    texts = data.draw(TEXTS)
    low = data.draw(st.integers(1, 5))
    parameters = HashingEncoding(
        type="hashing",
        analyser=data.draw(st.sampled_from(["word", "char"])),
        ngrams=(low, data.draw(st.integers(low, 6))),
        features=data.draw(st.sampled_from([1, 7, 64, 1 << 12])),
        norm=data.draw(st.sampled_from(["l1", "l2", "none"])),
        lowercase=data.draw(st.booleans()),
        signed=data.draw(st.booleans()),
    )
    hashed = hash_texts(texts, parameters)
    assert hashed.dense().dtype == np.float32
    assert hashed.dense().shape == (len(texts), parameters.features)
    if texts:
        peer = HashingVectorizer(
            analyzer=parameters.analyser,
            ngram_range=parameters.ngrams,
            n_features=parameters.features,
            norm=None if parameters.norm == "none" else parameters.norm,
            lowercase=parameters.lowercase,
            alternate_sign=parameters.signed,
        )
        np.testing.assert_allclose(hashed.dense(), peer.transform(texts).toarray(), atol=1e-6)


@given(TEXTS)
def test_rows_do_not_depend_on_each_other(texts: list[str]) -> None:
    parameters = HashingEncoding(type="hashing", analyser="char", ngrams=(1, 3), features=512)
    together = hash_texts(texts, parameters).dense()
    for text, row in zip(texts, together, strict=True):
        np.testing.assert_array_equal(hash_texts([text], parameters).dense()[0], row)


@given(TEXTS)
def test_the_sparse_form_is_canonical(texts: list[str]) -> None:
    hashed = hash_texts(texts, HashingEncoding(type="hashing", ngrams=(1, 2), features=32))
    assert hashed.row_offsets[0] == 0
    assert hashed.row_offsets[-1] == len(hashed.columns) == len(hashed.values)
    for begin, end in zip(hashed.row_offsets, hashed.row_offsets[1:], strict=False):
        assert (np.diff(hashed.columns[begin:end]) > 0).all()


def test_known_hashes() -> None:
    # Published test vectors of MurmurHash3 x86 32 with seed 0.
    known = {b"": 0, b"test": 0xBA6BD213, b"Hello, world!": 0xC0363E43,
             b"The quick brown fox jumps over the lazy dog": 0x2E4FF723}  # fmt: skip
    assert murmur3(known).view(np.uint32).tolist() == list(known.values())


@pytest.mark.parametrize("analyser", ["word", "char"])
def test_ten_thousand_texts_share_one_vocabulary_pass(analyser: str) -> None:
    words = [f"w{i}" for i in range(3000)]
    chosen = np.random.default_rng(0).choice(words, (10_000, 12))
    texts = [" ".join(row) for row in chosen]
    hashed = hash_texts(texts, HashingEncoding(type="hashing", analyser=analyser, ngrams=(1, 2), features=1 << 16))
    assert len(hashed.row_offsets) == 10_001
    np.testing.assert_allclose(np.add.reduceat(hashed.values.astype(float) ** 2, hashed.row_offsets[:-1]), 1, rtol=1e-5)
