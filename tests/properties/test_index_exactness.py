"""The index gives the numbers of the score `adaptivity`, whatever was put, replaced, removed and merged before."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace, HashFamily
from search_service.domain.ranking import Source
from search_service.index import InvertedIndex
from search_service.scores.adaptivity import SCORE
from tests.signatures import random_keyed_signature

SPACE = FeatureSpace(
    modality="embedding", featuriser="test@1", dimension=2, hashing=HashFamily(tables=2, widths_ticks=(512, 1024))
)
OTHER_SPACE = replace(SPACE, featuriser="test@2")

# Few keys, so that they meet; the extremes, so that shifts and types are right; some divisible by 2 and 4.
POOL = np.array([0, 1, 2, 3, 4, 8, 12, 1 << 31, (1 << 31) + 4, (1 << 32) - 4, (1 << 32) - 1], np.uint32)


def signature(seed: int, space: FeatureSpace = SPACE, pool: np.ndarray = POOL) -> Signature:
    return random_keyed_signature(np.random.default_rng(seed), 2, 2, pool, space_digest=space.digest)


def check(index: InvertedIndex, expected: dict[str, Signature], target: Signature) -> None:
    coverage = index.coverage(target)
    assert sorted(coverage.dataset_ids) == sorted(expected)
    sources = [Source(expected[dataset_id]) for dataset_id in coverage.dataset_ids]
    wanted = SCORE.compute(target, sources, SPACE)
    np.testing.assert_allclose(coverage.values, wanted.values, rtol=0, atol=1e-12)
    np.testing.assert_array_equal(coverage.support, wanted.support)


NAMES = st.integers(0, 11).map("dataset {}".format)
ENTRY = st.tuples(NAMES, st.integers(0, 200))
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("put"), st.lists(ENTRY, min_size=1, max_size=1)),
        st.tuples(st.just("put_many"), st.lists(ENTRY, max_size=12)),
        st.tuples(st.just("remove"), st.lists(ENTRY, min_size=1, max_size=1)),
        st.tuples(st.just("tidy"), st.just([])),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None)
@given(OPERATIONS, st.integers(2, 4), st.sampled_from([1, 3, 8, 64]), st.integers(0, 50))
def test_any_history_gives_the_pairwise_numbers(
    operations: list[tuple[str, list[tuple[str, int]]]], fan: int, most_sources: int, target_seed: int
) -> None:
    index = InvertedIndex(fan=fan, most_sources=most_sources)
    expected: dict[str, Signature] = {}
    target = signature(1000 + target_seed)
    for operation, entries in operations:
        signed = [(name, signature(seed)) for name, seed in entries]
        if operation == "put":
            index.put(*signed[0])
        elif operation == "put_many":
            index.put_many(signed)
        elif operation == "tidy":
            index.tidy()
        else:
            index.remove(entries[0][0])
            expected.pop(entries[0][0], None)
            signed = []
        expected.update(signed)
        check(index, expected, target)
    assert index.spaces() == ({SPACE.digest: len(expected)} if expected else {})


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 4), st.sampled_from([90, 250, 1 << 14]))
def test_keys_held_by_many_sources_give_the_pairwise_numbers(seed: int, batches: int, most_sources: int) -> None:
    """Enough sources for bitmaps and sorted buckets, in one segment and across merges that drop the dead."""
    generator = np.random.default_rng(seed)
    pool = np.concatenate([POOL, generator.integers(0, 1 << 32, 60).astype(np.uint32)])
    pool = np.unique(np.concatenate([pool, pool[:8] ^ np.uint32(1)]))  # neighbours share a bucket
    index = InvertedIndex(fan=2, most_sources=most_sources)
    expected: dict[str, Signature] = {}
    for _ in range(batches):
        names = generator.choice(400, generator.integers(70, 220), replace=False)
        entries = [(f"dataset {name}", signature(int(generator.integers(1 << 30)), pool=pool)) for name in names]
        index.put_many(entries)
        expected.update(entries)
        for name in generator.choice(400, 40, replace=False):
            index.remove(f"dataset {name}")
            expected.pop(f"dataset {name}", None)
        check(index, expected, signature(seed + 1, pool=pool))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(NAMES, st.integers(0, 99), st.booleans()), max_size=20))
def test_spaces_do_not_mix(entries: list[tuple[str, int, bool]]) -> None:
    index = InvertedIndex(fan=2)
    expected: dict[str, dict[str, Signature]] = {SPACE.digest: {}, OTHER_SPACE.digest: {}}
    for name, seed, other in entries:
        signed = signature(seed, OTHER_SPACE if other else SPACE)
        expected[signed.space_digest][name] = signed
        index.put(name, signed)
    assert index.spaces() == {digest: len(held) for digest, held in expected.items() if held}
    check(index, expected[SPACE.digest], signature(7))
    for name in expected[OTHER_SPACE.digest]:
        index.remove(name)
    kept = expected[SPACE.digest].keys() - expected[OTHER_SPACE.digest].keys()
    assert sorted(index.coverage(signature(7)).dataset_ids) == sorted(kept)
