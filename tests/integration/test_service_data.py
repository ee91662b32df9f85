"""Search by streamed rows through a real socket."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

import grpc
import numpy as np
import pyarrow as pa
import pytest

from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from msearch_sketch.datasets import open_dataset
from msearch_sketch.sketching import default_space, sketch
from tests.service_in_process import Running, card, names, new_dataset, refused, register, service_in_process
from tests.small_zoo import make_table

TARGET = make_table(0.0, 300, labels=False)
SHIFTS = {"near": 0.0, "mid": 1.5, "far": 6.0}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Three models of tabular sources."""
    limits = {"largest_search_rows": "5000", "largest_search_bytes": "2000000"}
    with service_in_process(tmp_path_factory.mktemp("service"), **limits) as service:
        space = default_space(open_dataset(make_table(0.0)))
        service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=space.document))
        for name, shift in SHIFTS.items():
            signature = sketch(open_dataset(make_table(shift)), space).signature
            dataset = new_dataset(f"{name}-data", signature, modality=types_pb2.MODALITY_TABULAR)
            register(service, card(name, modality="tabular"), new_dataset=dataset)
        yield service


def ipc(*batches: pa.RecordBatch, schema: pa.Schema | None = None) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema or batches[0].schema) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def table_ipc(table: pa.Table, rows: int = 100) -> bytes:
    return ipc(*table.to_batches(max_chunksize=rows), schema=table.schema)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[start : start + size] for start in range(0, len(data), size)]


def messages(chunks: Iterable[bytes], **fields: object) -> Iterator[spb.SearchByDataRequest]:
    yield spb.SearchByDataRequest(header=spb.SearchByDataRequest.Header(**fields))
    for data in chunks:
        yield spb.SearchByDataRequest(arrow_ipc=data)


@pytest.mark.parametrize("size", [7, 1000, 1 << 20])
def test_streamed_rows_rank_as_their_signature_does(running: Running, size: int) -> None:
    answer = running.search.SearchByData(messages(cut(table_ipc(TARGET), size)))
    assert names(answer.ranking) == ["near", "mid", "far"]
    assert answer.ranking.target_row_count == 300
    again = running.search.Search(spb.SearchRequest(signature=answer.signature))
    assert again.ranking == answer.ranking
    space = running.registry.GetFeatureSpace(rpb.GetFeatureSpaceRequest(digest=answer.ranking.space_digest)).space
    assert space.featuriser == "tabular-robust@1"


def test_how_the_rows_are_batched_does_not_matter(running: Running) -> None:
    signatures = {
        running.search.SearchByData(messages(cut(table_ipc(TARGET, rows), 1000))).signature.data
        for rows in (1, 13, 300)
    }
    assert len(signatures) == 1


def test_a_page_token_of_the_data_goes_on_with_the_signature(running: Running) -> None:
    options = spb.RankingOptions(page_size=2)
    first = running.search.SearchByData(messages([table_ipc(TARGET)], options=options))
    options.page_token = first.ranking.next_page_token
    second = running.search.Search(spb.SearchRequest(signature=first.signature, options=options))
    assert names(first.ranking) + names(second.ranking) == ["near", "mid", "far"]


def test_a_label_column_is_not_looked_at(running: Running) -> None:
    labelled = make_table(0.0, 300)
    plain = running.search.SearchByData(messages([table_ipc(labelled.drop_columns(["label"]))]))
    answer = running.search.SearchByData(messages([table_ipc(labelled)]))
    assert answer.signature == plain.signature


def test_text_needs_no_registered_schema(running: Running) -> None:
    texts = pa.table({"text": [f"a short text about topic {number % 7}" for number in range(80)]})
    ranking = running.search.SearchByData(messages([table_ipc(texts)])).ranking
    assert ranking.total_size == 0
    assert "no other text space holds one" in ranking.notices[0]


def test_a_schema_that_nobody_registered(running: Running) -> None:
    with refused() as caught:
        running.search.SearchByData(messages([table_ipc(TARGET.rename_columns(["height", "weight", "size"]))]))
    assert (caught[0].code, caught[0].reason) == ("NOT_FOUND", "FEATURE_SPACE_NOT_FOUND")
    assert "size (float)" in caught[0].message


def missing(rows: int = 60) -> pa.Table:
    return pa.table({name: pa.array([None] * rows, pa.float64()) for name in TARGET.column_names})


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b""],
        [b"not arrow at all"],
        [table_ipc(TARGET)[:500]],
        [table_ipc(TARGET)[:-600]],
        [ipc(schema=TARGET.schema)],
        [table_ipc(TARGET.slice(0, 1))],
        [table_ipc(missing())],
        [table_ipc(pa.table({"a": [[{"b": 1}]] * 50}))],
        [b"\xff\xff\xff\xff\xff\xff\xff\x7f" + bytes(100)],
    ],
    ids=["nothing", "empty", "garbage", "cut schema", "cut batch", "no rows", "one row", "missing", "nested", "huge"],
)
def test_data_that_cannot_be_sketched_is_refused(running: Running, chunks: list[bytes]) -> None:
    with refused() as caught:
        running.search.SearchByData(messages(chunks))
    assert caught[0].reason in ("INVALID_DATA", "TOO_LARGE")
    assert caught[0].message


def test_corrupted_streams_never_crash_the_service(running: Running) -> None:
    generator = np.random.default_rng(3)
    data = table_ipc(pa.table({"text": ["one", "two words", None] * 40}))
    for _ in range(150):
        broken = bytearray(data)
        for position in generator.integers(0, len(data), 3):
            broken[position] ^= 1 << int(generator.integers(0, 8))
        call = running.search.SearchByData.future(messages([bytes(broken)]))
        assert call.code().name in ("OK", "INVALID_ARGUMENT", "NOT_FOUND", "RESOURCE_EXHAUSTED"), call.details()


def test_nan_and_infinity_are_missing_values(running: Running) -> None:
    values = {name: TARGET[name].to_numpy().copy() for name in TARGET.column_names}
    values["age"][:20] = np.nan
    values["height"][20:40] = np.inf
    answer = running.search.SearchByData(messages([table_ipc(pa.table(values))]))
    assert names(answer.ranking)[0] == "near"


@pytest.mark.parametrize(
    "stream",
    [
        [],
        [spb.SearchByDataRequest(arrow_ipc=b"x")],
        [*messages([]), *messages([])],
        [*messages([table_ipc(TARGET)[:300]]), spb.SearchByDataRequest()],
    ],
    ids=["nothing", "no header", "two headers", "empty message"],
)
def test_a_malformed_stream_is_refused(running: Running, stream: list[spb.SearchByDataRequest]) -> None:
    with refused() as caught:
        running.search.SearchByData(iter(stream))
    assert (caught[0].code, caught[0].reason) == ("INVALID_ARGUMENT", "INVALID_FIELD")


def test_wrong_options_are_refused_before_the_rows_arrive(running: Running) -> None:
    def endless() -> Iterator[spb.SearchByDataRequest]:
        yield from messages([], options=spb.RankingOptions(scores=["no such score"]))
        threading.Event().wait(20)

    with refused() as caught:
        running.search.SearchByData(endless(), timeout=10)
    assert caught[0].reason == "UNKNOWN_SCORE"
    with refused() as caught:
        running.search.SearchByData(messages([table_ipc(TARGET)], modality=77))
    assert set(caught[0].fields) == {"modality"}
    with refused() as caught:
        running.search.SearchByData(messages([table_ipc(TARGET)], column="no such column"))
    assert caught[0].reason == "INVALID_DATA"


def test_too_many_rows_or_bytes_are_refused(running: Running) -> None:
    with refused() as caught:
        running.search.SearchByData(messages(cut(table_ipc(make_table(0.0, 6000, labels=False)), 100_000)))
    assert (caught[0].code, caught[0].reason) == ("RESOURCE_EXHAUSTED", "TOO_LARGE")
    assert "5000 rows" in caught[0].message
    wide = pa.table({"text": ["x" * 10_000] * 300})
    with refused() as caught:
        running.search.SearchByData(messages(cut(table_ipc(wide), 100_000)))
    assert (caught[0].code, caught[0].reason) == ("RESOURCE_EXHAUSTED", "TOO_LARGE")


def test_a_stream_that_stalls_ends_with_its_deadline_or_when_cancelled(running: Running) -> None:
    arrived = threading.Event()

    def stalling() -> Iterator[spb.SearchByDataRequest]:
        yield from messages([table_ipc(TARGET)[:2000]])
        arrived.set()
        threading.Event().wait(5)

    with pytest.raises(grpc.RpcError) as error:
        running.search.SearchByData(stalling(), timeout=0.5)
    assert error.value.code() == grpc.StatusCode.DEADLINE_EXCEEDED
    arrived.clear()
    call = running.search.SearchByData.future(stalling())
    assert arrived.wait(5)
    call.cancel()
    assert names(running.search.SearchByData(messages([table_ipc(TARGET)])).ranking)[0] == "near"


@pytest.mark.slow
def test_two_million_rows_pass_in_bounded_memory(tmp_path: Path) -> None:
    batch = make_table(0.0, 20_000, labels=False).to_batches()[0]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as writer:
        writer.write_batch(batch)
    whole = sink.getvalue().to_pybytes()
    schema_bytes = len(ipc(schema=batch.schema)) - 8  # the end of the stream takes 8 bytes
    head, body = whole[:schema_bytes], whole[schema_bytes:-8]

    def chunks() -> Iterator[bytes]:
        yield head
        for _ in range(100):
            yield body
        yield whole[-8:]

    with service_in_process(tmp_path) as service:
        space = default_space(open_dataset(pa.Table.from_batches([batch])))
        service.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=space.document))
        pool = pa.default_memory_pool()
        before = pool.bytes_allocated()
        answer = service.search.SearchByData(messages(chunks()))
        assert answer.ranking.target_row_count == 2_000_000
        assert pool.bytes_allocated() - before < 20 * len(body)
