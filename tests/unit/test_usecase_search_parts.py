"""The pure parts of a search: orders of values, the models in memory, cached signatures, page tokens, request ids."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_service.domain.catalog import Artifact, Filter, Modality, Model
from search_service.domain.errors import InvalidArgument, Reason
from search_service.usecases.once import fingerprint
from search_service.usecases.ordering import best_first, mean_ranks, weighted_ranks
from search_service.usecases.orders import WeightedScore, parse_order
from search_service.usecases.paging import decode_token, encode_token, page_size
from search_service.usecases.signature_cache import SignatureCache
from search_service.usecases.snapshot import Snapshot
from tests.signatures import blank_signature

NOW = datetime(2026, 1, 1, tzinfo=UTC)
FEW_VALUES = st.lists(st.sampled_from([0.0, 0.25, 0.5, 1.0, float("nan"), -3.0]), max_size=40)


def model(id: str, name: str = "m", version: str = "1", dataset_id: str = "") -> Model:
    return Model(
        id=id, name=name, version=version, description="", licence="", tags=(), task="t", modality=Modality.TEXT,
        classes=(), metrics=(), parent="", artifact=Artifact(format="none"), inputs=(), outputs=(),
        dataset_id=dataset_id, card="", created_at=NOW, updated_at=NOW,
    )  # fmt: skip


@given(FEW_VALUES, st.integers(0, 45))
def test_best_first_is_a_stable_sort_with_nan_last(values: list[float], count: int) -> None:
    expected = sorted(range(len(values)), key=lambda at: (np.isnan(values[at]), -np.nan_to_num(values[at]), at))
    assert best_first(np.array(values, np.float64), count).tolist() == expected[:count]


@given(FEW_VALUES)
def test_mean_ranks_are_the_share_of_worse_plus_half_of_equal_ones(values: list[float]) -> None:
    present = [value for value in values if not np.isnan(value)]
    for value, rank in zip(values, mean_ranks(np.array(values, np.float64)), strict=True):
        if np.isnan(value):
            assert rank == 0
        elif len(present) == 1:
            assert rank == 1
        else:
            worse, equal = sum(other < value for other in present), sum(other == value for other in present)
            assert rank == pytest.approx((worse + (equal - 1) / 2) / (len(present) - 1))


def test_weights_count_in_proportion() -> None:
    first, second = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    assert weighted_ranks([first, second], [3, 1]).tolist() == pytest.approx([0.25, 0.5, 0.75])
    assert weighted_ranks([first, second], [0.3, 0.1]).tolist() == pytest.approx([0.25, 0.5, 0.75])


MODELS = st.builds(
    model, st.uuids().map(str), st.sampled_from("abc"), st.sampled_from("12"), st.sampled_from(["", "d"])
)


@given(st.lists(MODELS, max_size=30, unique_by=lambda m: m.id), st.lists(MODELS, max_size=10), st.data())
def test_a_changed_snapshot_is_the_snapshot_of_the_changed_models(
    old: list[Model], new: list[Model], data: st.DataObject
) -> None:
    before = Snapshot.of(old)
    gone = data.draw(st.lists(st.sampled_from(old), unique_by=lambda m: m.id)) if old else []
    after = before.changed(gone, new)
    expected = sorted([m for m in old if all(m is not g for g in gone)] + new, key=lambda m: (m.name, m.version, m.id))
    assert [m.id for m in after.models] == [m.id for m in expected]
    assert [m.id for m in before.models] == [m.id for m in Snapshot.of(old).models]


def test_many_changes_give_the_same_as_few() -> None:
    old = [model(str(number), f"m{number % 7}") for number in range(400)]
    renamed = [replace(m, name="z") for m in old[:300]]
    assert Snapshot.of(old).changed(old[:300], renamed).models == Snapshot.of([*renamed, *old[300:]]).models


def test_a_join_follows_both_sides() -> None:
    snapshot = Snapshot.of([model("1", "a", dataset_id="x"), model("2", "b"), model("3", "c", dataset_id="y")])
    ids = ("y", "z", "x")
    assert snapshot.join("space", ids).tolist() == [2, -1, 0]
    assert snapshot.join("space", ids) is snapshot.join("space", ids)
    assert snapshot.join("space", ("x",)).tolist() == [0, -1, -1]
    assert snapshot.mask(["3", "unknown"]).tolist() == [False, False, True]
    assert snapshot.without_source == 1


def test_the_signature_cache_keeps_within_its_bytes_and_forgets_what_changed() -> None:
    encoded = {name: blank_signature(row_count=number).encoded for number, name in enumerate("abcd", 1)}
    size = len(encoded["a"])
    cache = SignatureCache(2 * size)
    loaded: list[str] = []

    def load(ids: object) -> dict[str, bytes]:
        loaded.extend(ids)  # type: ignore[arg-type]
        return {name: encoded[name] for name in ids if name in encoded}  # type: ignore[attr-defined]

    found = cache.get_many("s", ["a", "b", "a", "?"], load)
    assert {name: signature.row_count for name, signature in found.items()} == {"a": 1, "b": 2}
    assert loaded == ["a", "b", "?"]
    cache.get_many("s", ["a"], load)
    cache.get_many("s", ["c"], load)
    assert cache.size_bytes <= 2 * size
    loaded.clear()
    cache.get_many("s", ["a", "b"], load)
    assert loaded == ["b"]
    cache.forget("a")
    loaded.clear()
    cache.get_many("s", ["a"], load)
    assert loaded == ["a"]
    cache.get_many("other space", ["a"], load)
    assert loaded == ["a", "a"]


def test_a_signature_that_changed_while_it_was_read_is_not_kept() -> None:
    cache = SignatureCache(1 << 20)

    def load(ids: object) -> dict[str, bytes]:
        cache.forget("a")
        return {"a": blank_signature().encoded}

    assert set(cache.get_many("s", ["a"], load)) == {"a"}
    assert cache.size_bytes == 0


@given(st.lists(st.text(), min_size=1, max_size=3), st.text(min_size=16, max_size=40))
def test_a_token_holds_its_position(position: list[str], bound_to: str) -> None:
    token = encode_token(bound_to, tuple(position))
    assert token.isascii()
    if len(token) <= 4096:
        assert decode_token(bound_to, token, len(position)) == tuple(position)
        with pytest.raises(InvalidArgument) as caught:
            decode_token(bound_to, token, len(position) + 1)
        assert caught.value.reason is Reason.INVALID_PAGE_TOKEN


@given(st.text(min_size=1, max_size=60))
def test_no_other_text_is_a_token(text: str) -> None:
    with pytest.raises(InvalidArgument):
        decode_token("ab" * 32, text, 1)


def test_page_sizes() -> None:
    assert [page_size(asked, 50) for asked in (0, 1, 1000)] == [50, 1, 1000]


def test_fingerprints_tell_apart_what_differs_in_structure_only() -> None:
    values: list[object] = [
        ("a", "b"), ("ab",), (("a",), "b"), ("a", ("b",)), (b"a", "b"), ("a", "b", ""), (1, "b"), ("1", "b"),
        (None,), ("None",), (Filter(tags=("a",)),), (Filter(tasks=("a",)),), ((),), (),
    ]  # fmt: skip
    assert len({fingerprint(value) for value in values}) == len(values)
    assert fingerprint(Filter(tags=("a",))) == fingerprint(Filter(tags=("a",)))


def test_orders_are_read_from_settings() -> None:
    assert parse_order("adaptivity") == (WeightedScore("adaptivity", 1.0),)
    assert parse_order("a:2, b:0.5") == (WeightedScore("a", 2.0), WeightedScore("b", 0.5))
    with pytest.raises(InvalidArgument):
        parse_order("a:much")
