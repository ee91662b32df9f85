"""The client's searches."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Filter, Modality, parse_modality
from msearch_client._constraints import Constraint, ProfileOptions, make_profile_options
from msearch_client._evidence import SampleReference, sample_id_of
from msearch_client._loads import Load
from msearch_client._local_data import open_data
from msearch_client._rankings import Question, Ranking, Scores, WeightedScore
from msearch_client._row_stream import encode_rows, readable_again
from msearch_client._sketching import SketchCalls
from msearch_client._wire import requests
from msearch_client._wire.ranking import options_to_proto, ranking_from_proto, scores_from_proto
from msearch_sketch.signature import Signature

MOST_A_PAGE = 1000
STREAM_TIMEOUTS = 20

OrderBy: TypeAlias = str | Mapping[str, float] | Sequence[WeightedScore]
"""What to order by: a score, scores with weights, or nothing for the service's default."""


class SearchCalls(SketchCalls):
    """Rank the registered models for a target."""

    def search(
        self,
        target: Any,
        *,
        filter: Filter | None = None,
        order_by: OrderBy = (),
        scores: Sequence[str] = (),
        top: int | None = 10,
        explain: bool = False,
        require: str | Constraint | Sequence[str | Constraint] = (),
        load: str | Load | None = None,
        host_class: str = "",
        order_by_metric: str = "",
        pareto: str = "",
        predict_accuracy: bool = False,
        sample: SampleReference | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> Ranking:
        """Ranks the registered models for a target without labels.

        Args:
            target: a signature; or what `sketch` takes, which is sketched here so that no row leaves this machine.
            filter: which models may take part.
            order_by: a score name, or scores with weights; empty for the service's default.
            scores: further scores to compute and show.
            top: how many candidates to return; None for all.
            explain: also return what each score rests on, and what was filtered out and why.
            require: limits on what was measured, such as "p99_ms<=20" or ["p99_ms<=20ms", "peak_memory_bytes<=1GiB"].
                Candidates without a measurement that could tell stand in the ranking's `unmeasured`.
            load: the load that the limits are about, such as "server:100"; None for any.
            host_class: only profiles of host classes that begin so; empty for any.
            order_by_metric: order by this measured quantity instead of a score.
            pareto: keep only the Pareto front of the score against this measured quantity.
            predict_accuracy: also predict what each candidate will reach on the target; ordering by the score
                "predicted_accuracy" implies it.
            sample: the target as an evaluation sample, by id: predictions then use the outputs that candidates gave on
                it, and behaviour scores can be asked for. `rerank` does all of that.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: sketch at most this many rows.
            progress: called with (rows sketched, rows in all or None).

        Raises:
            LocalError: the data cannot be read or sketched, or a limit or the load is not of its form.
            NotFoundError: no source with the target's schema was ever registered.
            InvalidArgumentError: a score, a filter or a quantity is wrong.
        """
        question = make_question(
            filter, order_by, scores, explain=explain, predict_accuracy=predict_accuracy,
            profiles=make_profile_options(require, load, host_class, order_by_metric, pareto),
            sample_id="" if sample is None else sample_id_of(sample),
        )  # fmt: skip
        if isinstance(target, Signature):
            signature = target
        else:
            signature = self.sketch(
                target, modality=modality, column=column, ignore=ignore, limit_rows=limit_rows, progress=progress
            )
        return self._rank(signature, question, top)

    def _rank(self, signature: Signature, question: Question, top: int | None) -> Ranking:
        """The first `top` candidates for the target of this signature, None for all."""

        def fetch(page_size: int, token: str) -> Ranking:
            options = options_to_proto(question, page_size, token)
            request = requests.search_by_signature(signature, options)
            answer = self._transport.call(self._transport.search.Search, request)
            return ranking_from_proto(answer.ranking, signature)

        return _collect(fetch, top)

    def search_by_data(
        self,
        data: Any,
        *,
        filter: Filter | None = None,
        order_by: OrderBy = (),
        scores: Sequence[str] = (),
        top: int = 10,
        explain: bool = False,
        require: str | Constraint | Sequence[str | Constraint] = (),
        load: str | Load | None = None,
        host_class: str = "",
        order_by_metric: str = "",
        pareto: str = "",
        predict_accuracy: bool = False,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        timeout_s: float | None = None,
        progress: OnProgress | None = None,
    ) -> Ranking:
        """As `search`, but the rows are streamed to the service, which sketches them and forgets them.

        The ranking's `signature` is what the service made of the rows. `timeout_s` is 20 times the client's if None.

        Raises:
            LocalError: the data cannot be read.
            InvalidArgumentError: the service cannot sketch it, or a score, a filter or a quantity is wrong.
        """
        question = make_question(
            filter, order_by, scores, explain=explain, predict_accuracy=predict_accuracy,
            profiles=make_profile_options(require, load, host_class, order_by_metric, pareto),
        )  # fmt: skip
        dataset = open_data(
            data, modality=modality, column=column, ignore=ignore, limit_rows=limit_rows, progress=progress
        )
        options = options_to_proto(question, min(top, MOST_A_PAGE), "")
        header = requests.data_header(parse_modality(dataset.modality), column or "", options)

        def messages() -> Iterator[Any]:
            yield header
            for chunk in encode_rows(dataset):
                yield requests.data_chunk(chunk)

        answer = self._transport.send(
            self._transport.search.SearchByData,
            messages,
            repeatable=readable_again(data),
            timeout_s=STREAM_TIMEOUTS * self._transport.timeout_s if timeout_s is None else timeout_s,
        )
        signature = Signature.from_bytes(answer.signature.data)
        first = ranking_from_proto(answer.ranking, signature)
        if top <= MOST_A_PAGE or not first.next_page_token:
            return first
        return self._rank(signature, question, top)

    def scores(self) -> Scores:
        """The scores this service knows, with formula and source, and its default order."""
        answer = self._transport.call(self._transport.search.ListScores, requests.list_scores())
        return scores_from_proto(answer)


def make_question(
    filter: Filter | None,
    order_by: OrderBy,
    scores: Sequence[str],
    *,
    explain: bool,
    profiles: ProfileOptions | None = None,
    predict_accuracy: bool = False,
    sample_id: str = "",
) -> Question:
    """How to rank, from what a caller may give."""
    return Question(
        filter=filter or Filter(),
        order_by=weigh(order_by),
        scores=(scores,) if isinstance(scores, str) else tuple(scores),
        explain=explain,
        profiles=profiles,
        predict_accuracy=predict_accuracy,
        sample_id=sample_id,
    )


def weigh(order_by: OrderBy) -> tuple[WeightedScore, ...]:
    """The scores to order by, with their weights."""
    if isinstance(order_by, str):
        return (WeightedScore(order_by),)
    if isinstance(order_by, Mapping):
        return tuple(WeightedScore(name, weight) for name, weight in order_by.items())
    return tuple(order_by)


def _collect(fetch: Callable[[int, str], Ranking], top: int | None) -> Ranking:
    """The first `top` candidates as one ranking, from as many pages as it takes.

    All pages but the last have the same size, as a page token wants.
    """
    if top is not None and top < 1:
        raise ValueError(f"top must be 1 or more, not {top}")
    size = MOST_A_PAGE if top is None else min(top, MOST_A_PAGE)
    ranking = fetch(size, "")
    candidates = list(ranking.candidates)
    token = ranking.next_page_token
    while token and (top is None or len(candidates) < top):
        page = fetch(size, token)
        candidates += page.candidates
        token = page.next_page_token
    if top is not None and len(candidates) > top:
        return dataclasses.replace(ranking, candidates=tuple(candidates[:top]), next_page_token="")
    return dataclasses.replace(ranking, candidates=tuple(candidates), next_page_token=token)
