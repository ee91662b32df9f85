"""The index beyond its numbers: refusals, sizes, merging, and readers beside writers."""

from __future__ import annotations

import threading
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from msearch_sketch.errors import SignatureError
from msearch_sketch.signature import Signature
from search_service.index import InvertedIndex, kernels
from search_service.index.compaction import plan_merge, plan_tidying
from search_service.index.segment import MOST_SOURCES
from tests.signatures import DIGEST, SPACE, blank_signature, family, keyed_signature


def value(index: InvertedIndex, target: Signature, dataset_id: str) -> float:
    coverage = index.coverage(target)
    return float(coverage.values[list(coverage.dataset_ids).index(dataset_id)])


def test_an_empty_index_covers_nothing() -> None:
    index = InvertedIndex()
    index.remove("nobody")
    index.put_many([])
    coverage = index.coverage(blank_signature())
    assert (list(coverage.dataset_ids), coverage.values.size, coverage.support.size) == ([], 0, 0)
    assert index.spaces() == index.sizes() == {}


def test_a_put_replaces_and_a_remove_leaves_nothing() -> None:
    index = InvertedIndex()
    target = keyed_signature([{1: 2, 2: 2}])
    index.put("a", keyed_signature([{1: 1}]))
    assert value(index, target, "a") == 0.5
    index.put("a", keyed_signature([{1: 1, 2: 1}]))
    assert value(index, target, "a") == 1
    index.remove("a")
    assert index.spaces() == {}
    index.put("a", keyed_signature([{3: 1}]))
    assert value(index, target, "a") == 0


def test_the_last_of_several_entries_with_one_id_counts() -> None:
    index = InvertedIndex()
    index.put_many([("a", keyed_signature([{1: 1}])), ("a", keyed_signature([{9: 1}]))])
    assert index.spaces() == {DIGEST: 1}
    assert value(index, keyed_signature([{1: 1}]), "a") == 0


@pytest.mark.parametrize("rows", [1, (1 << 16) - 1, 1 << 16, (1 << 31) - 1])
def test_sums_do_not_overflow(rows: int) -> None:
    """Accumulators of 16, 32 and 64 bits: four tables of up to 2^31 - 1 rows."""
    target = keyed_signature([{7: rows}] * 4)
    index = InvertedIndex()
    index.put_many([(str(i), keyed_signature([{7: 1}] * 4)) for i in range(200)])
    coverage = index.coverage(target)
    assert (coverage.values == 1).all()
    assert (coverage.support == 4 * rows).all()


def test_a_signature_of_another_shape_is_refused_and_changes_nothing() -> None:
    index = InvertedIndex()
    index.put("a", keyed_signature([{1: 1}]))
    odd = keyed_signature([{1: 1}, {1: 1}])
    with pytest.raises(SignatureError, match="2 tables"):
        index.put_many([("b", keyed_signature([{1: 1}])), ("c", odd)])
    with pytest.raises(SignatureError, match="2 tables"):
        index.coverage(odd)
    with pytest.raises(SignatureError, match="2 tables"):
        InvertedIndex().put_many([("b", keyed_signature([{1: 1}])), ("c", odd)])
    assert index.spaces() == {DIGEST: 1}


@pytest.mark.parametrize("settings", [{"fan": 1}, {"most_sources": 0}, {"most_sources": MOST_SOURCES + 1}])
def test_impossible_settings_are_refused(settings: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="fan must be"):
        InvertedIndex(**settings)


def test_the_ids_are_the_same_sequence_until_the_index_changes() -> None:
    index = InvertedIndex()
    target = keyed_signature([{1: 1}])
    index.put("a", target)
    first = index.coverage(target).dataset_ids
    assert index.coverage(target).dataset_ids is first
    index.put("b", target)
    assert index.coverage(target).dataset_ids is not first


def test_single_puts_make_few_segments_and_removing_frees_them() -> None:
    signatures = family(np.random.default_rng(0), 10)
    index = InvertedIndex(fan=4, most_sources=256)
    for i in range(300):
        index.put(f"dataset {i}", signatures[i % 10])
    size = index.sizes()[SPACE.digest]
    assert size.datasets == 300
    assert size.segments <= 3 * 5 + 2
    assert size.postings == 30 * sum(signature.keys.size for signature in signatures)
    for i in range(280):
        index.remove(f"dataset {i}")
    shrunk = index.sizes()[SPACE.digest]
    assert shrunk.datasets == 20
    assert shrunk.postings < size.postings / 5
    assert shrunk.size_bytes < size.size_bytes / 2


def test_tidying_leaves_one_small_segment() -> None:
    index = InvertedIndex(fan=8)
    for i, signature in enumerate(family(np.random.default_rng(0), 20)):
        index.put(f"dataset {i}", signature)
    assert index.sizes()[SPACE.digest].segments > 1
    index.tidy()
    assert (index.sizes()[SPACE.digest].segments, index.sizes()[SPACE.digest].datasets) == (1, 20)


@given(st.lists(st.integers(1, 50), max_size=30), st.integers(1, 100))
def test_tidying_takes_the_smallest_that_fit(sizes: list[int], most: int) -> None:
    chosen = plan_tidying(sizes, most)
    assert sum(sizes[position] for position in chosen) <= most
    assert len(chosen) != 1
    rest = [size for position, size in enumerate(sizes) if position not in chosen]
    assert all(sizes[position] <= size for position in chosen for size in rest)
    if chosen and rest:
        assert sum(sizes[position] for position in chosen) + min(rest) > most


def test_putting_the_same_again_does_not_grow_the_index() -> None:
    signatures = family(np.random.default_rng(1), 8)
    index = InvertedIndex(fan=4, most_sources=64)
    entries = [(f"dataset {i}", signature) for i, signature in enumerate(signatures)]
    for _ in range(60):
        index.put_many(entries)
    size = index.sizes()[SPACE.digest]
    assert size.datasets == 8
    assert size.postings <= 2 * sum(signature.keys.size for signature in signatures)


def test_readers_see_each_dataset_once_and_whole_while_others_write() -> None:
    """Each of 40 datasets always holds one of two signatures; no reader may see any other state."""
    target = keyed_signature([{1: 1, 2: 1, 3: 1, 4: 1}])
    states = [keyed_signature([{1: 1}]), keyed_signature([{2: 1, 3: 1, 4: 1}])]
    index = InvertedIndex(fan=2, most_sources=16)
    names = [f"dataset {i}" for i in range(40)]
    index.put_many([(name, states[0]) for name in names])
    stop = threading.Event()
    faults: list[str] = []
    reads = 0

    def write(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(150):
            chosen = generator.choice(40, generator.integers(1, 9), replace=False)
            index.put_many([(names[i], states[generator.integers(2)]) for i in chosen])

    def read() -> None:
        nonlocal reads
        while not stop.is_set():
            coverage = index.coverage(target)
            reads += 1
            if sorted(coverage.dataset_ids) != sorted(names) or not set(coverage.values.tolist()) <= {0.25, 0.75}:
                faults.append(f"{len(coverage.dataset_ids)} datasets with values {set(coverage.values.tolist())}")

    reader = threading.Thread(target=read)
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in [reader, *writers]:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    reader.join()
    assert not faults
    assert reads > 0
    assert index.spaces() == {DIGEST: 40}


SIZES = st.lists(st.integers(1, 200), max_size=40)


@given(SIZES, st.integers(2, 8), st.integers(1, 256))
def test_a_planned_merge_fits_and_takes_the_smallest(sizes: list[int], fan: int, most: int) -> None:
    chosen = plan_merge(sizes, fan, most)
    assert len(chosen) != 1
    assert len(set(chosen)) == len(chosen)
    assert sum(sizes[i] for i in chosen) <= most
    assert all(sizes[a] <= sizes[b] for a, b in pairwise(chosen))
    if chosen:
        assert max(sizes[i] for i in chosen) <= min((s for i, s in enumerate(sizes) if i not in chosen), default=most)


@given(SIZES, st.integers(2, 8), st.integers(1, 256))
def test_merging_ends_with_a_bounded_number_of_segments(sizes: list[int], fan: int, most: int) -> None:
    sizes = [min(size, most) for size in sizes]
    total = sum(sizes)
    while chosen := plan_merge(sizes, fan, most):
        sizes = [size for i, size in enumerate(sizes) if i not in chosen] + [sum(sizes[i] for i in chosen)]
    tiers = 1 + int(np.log(max(most, 2)) / np.log(fan))
    assert sum(sizes) == total
    assert len(sizes) <= (fan - 1) * tiers + 2 * total / most + 1


def test_a_large_table_stores_sixteen_bits_of_a_key_and_stays_exact() -> None:
    generator = np.random.default_rng(6)
    common = generator.integers(0, 1 << 32, 40).tolist()
    sources = []
    for _ in range(300):
        own = generator.integers(0, 1 << 32, 1000).tolist()
        sources.append(keyed_signature([dict.fromkeys([*own, *common[: generator.integers(40)]], 1)]))
    index = InvertedIndex(fan=2)
    for first in (0, 150):
        index.put_many([(str(i), sources[i]) for i in range(first, first + 150)])
    target = keyed_signature([dict.fromkeys([*common, *sources[7].keys.tolist()], 3)])
    held = [np.isin(target.keys, source.keys).mean() for source in sources]
    coverage = index.coverage(target)
    size = index.sizes()[DIGEST]
    assert size.segments == 1
    assert size.size_bytes < 4.2 * size.postings + (1 << 18)
    order = [int(dataset_id) for dataset_id in coverage.dataset_ids]
    np.testing.assert_allclose(coverage.values, np.array(held)[order], atol=1e-12)


def test_nothing_is_compiled_after_construction() -> None:
    """The first query must not wait for a compiler, whatever the types and however the arrays came to be."""
    index = InvertedIndex(fan=2)

    def compiled() -> dict[str, int]:
        dispatchers = {name: kernel for name, kernel in vars(kernels).items() if hasattr(kernel, "signatures")}
        assert dispatchers
        return {name: len(kernel.signatures) for name, kernel in dispatchers.items()}

    before = compiled()
    signatures = [Signature.from_bytes(signature.encoded) for signature in family(np.random.default_rng(2), 6)]
    for i in range(100):
        index.put(str(i), signatures[i % 6])
    index.remove("3")
    index.coverage(signatures[0])
    index.coverage(replace(signatures[0], row_count=2**30, key_counts=signatures[0].key_counts + np.uint32(2**18)))
    index.put_many([(str(i), keyed_signature([dict.fromkeys(range(i, i + 1000), 1)])) for i in range(300)])
    for rows in (1, 1 << 20, (1 << 31) - 1):
        index.coverage(keyed_signature([dict.fromkeys(range(5), rows)], row_count=(1 << 31) - 1))
    assert compiled() == before
