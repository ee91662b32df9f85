"""The servicer of the search."""

from __future__ import annotations

import time
from collections.abc import Iterator

import grpc
import structlog

from msearch.v1 import search_service_pb2 as pb
from msearch.v1 import search_service_pb2_grpc, types_pb2
from search_service.api.authentication import present_caller
from search_service.api.wire import search as wire
from search_service.api.wire.enums import read_optional_modality
from search_service.usecases.search import StreamedData, list_scores, search, search_by_data
from search_service.usecases.search_results import Ranking
from search_service.usecases.searcher import Searcher

_log = structlog.get_logger()


class SearchServicer(search_service_pb2_grpc.SearchServiceServicer):
    """See search_service.proto; method by method."""

    def __init__(self, searcher: Searcher) -> None:
        self._searcher = searcher

    def Search(self, request: pb.SearchRequest, context: grpc.ServicerContext) -> pb.SearchResponse:
        started = time.perf_counter()
        ranking = search(self._searcher, request.signature.data, wire.read_options(request.options), _token_id())
        response = pb.SearchResponse(ranking=wire.write_ranking(ranking))
        _note("search_answered", ranking, started)
        return response

    def SearchByData(
        self, request_iterator: Iterator[pb.SearchByDataRequest], context: grpc.ServicerContext
    ) -> pb.SearchByDataResponse:
        started = time.perf_counter()
        header = wire.read_header(request_iterator)
        modality = read_optional_modality(header.modality, "modality")
        options = wire.read_options(header.options)
        data = StreamedData(wire.read_chunks(request_iterator), modality, header.column)
        ranking, signature = search_by_data(self._searcher, data, options, _token_id())
        _note("search_by_data_answered", ranking, started)
        return pb.SearchByDataResponse(
            ranking=wire.write_ranking(ranking), signature=types_pb2.Signature(data=signature.encoded)
        )

    def ListScores(self, request: pb.ListScoresRequest, context: grpc.ServicerContext) -> pb.ListScoresResponse:
        scores, order = list_scores(self._searcher)
        return pb.ListScoresResponse(
            scores=[wire.write_score(info) for info in scores], default_order_by=wire.write_order(order)
        )


def _token_id() -> str:
    return present_caller().token_id


def _note(event: str, ranking: Ranking, started: float) -> None:
    _log.debug(
        event,
        duration_ms=round((time.perf_counter() - started) * 1e3, 3),
        rows=ranking.target_rows,
        ranked=ranking.total,
        returned=len(ranking.candidates),
    )
