"""The client's predictions of latencies that nobody measured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from msearch_client._catalogue import Model, ModelReference
from msearch_client._errors import LocalError
from msearch_client._graph_work import find_work
from msearch_client._latency_evidence import Foretold, predict_missing
from msearch_client._loads import Load, as_load
from msearch_client._models import ModelCalls
from msearch_client._profile_calls import ProfileCalls
from msearch_client._profiles import Profile
from msearch_client._recommendations import Figure
from msearch_client._records import Record
from msearch_client._variants import Variant
from msearch_deployment import Candidate, Measured

NO_LOAD, LOAD_HINT = "latencies are predicted under one load", 'name it, as in "server:100"'
MOST_PROFILES = 1000
MOST_EVIDENCE = 5000
"""Profiles that predictions are learned from: the newest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPrediction(Record):
    """Latencies in milliseconds of a model in a form and on a host class in which others were measured under a load.

    `figures` by quantity, each with its 90 % interval and the origin "predicted".
    """

    model_name: str
    variant: Variant
    host_class: str
    load: str
    figures: Mapping[str, Figure]


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyPredictions(Record):
    """Predictions by model in the order asked; `reasons` say why there are not more."""

    predictions: tuple[LatencyPrediction, ...]
    reasons: tuple[str, ...]


class LatencyCalls(ProfileCalls, ModelCalls):
    """Predict what was not measured."""

    def predict_latency(
        self,
        models: ModelReference | Sequence[ModelReference],
        *,
        load: str | Load,
        host_class: str = "",
        quantities: Sequence[str] = (),
    ) -> LatencyPredictions:
        """Predicts latencies of models where they were not measured (docs/latency-prediction.md).

        Args:
            models: one or several. What the graph of each takes is known from a profile on any host, else counted from
                its artifact, which is downloaded once; that needs the package onnx.
            load: the load to predict under; other models must have been measured under it.
            host_class: only host classes that begin so; empty for all on which others were measured.
            quantities: response latencies beside "p50_ms" and "p99_ms".

        Raises:
            LocalError: the load is not of its form.
            NotFoundError: there is no such model.
        """
        given = [models] if isinstance(models, (str, Model)) else models
        named = [one if isinstance(one, Model) else self.get_model(one) for one in given]
        load_text = str(as_load(load))
        profiles = {model.id: self._profiles_anywhere(model) for model in named}
        candidates = [
            Candidate(model_id=model.id, name=f"{model.name}@{model.version}", place=place)
            for place, model in enumerate(named, 1)
        ]
        foretold = self._foretell(
            candidates, named, profiles, load=load_text, host_class=host_class, quantities=quantities
        )
        return LatencyPredictions(
            predictions=tuple(
                _as_prediction(candidate, one)
                for candidate in foretold.candidates
                for one in candidate.measured
                if one.predicted
            ),
            reasons=foretold.reasons,
        )

    def _profiles_anywhere(self, model: ModelReference) -> tuple[Profile, ...]:
        """VALID profiles of a model, newest first."""
        return tuple(islice(self.list_profiles(model=model, page_size=MOST_PROFILES), MOST_EVIDENCE))

    def _foretell(
        self,
        candidates: Sequence[Candidate],
        models: Iterable[Model],
        profiles: Mapping[str, Sequence[Profile]],
        *,
        load: str,
        host_class: str,
        quantities: Iterable[str],
    ) -> Foretold:
        """The candidates with predictions under the load, learned on everything that was measured under it."""
        if not load:
            raise LocalError(NO_LOAD, hint=LOAD_HINT)
        evidence = islice(self.list_profiles(load=load, page_size=MOST_PROFILES), MOST_EVIDENCE)
        graphs = {model.id: find_work(self, model, profiles[model.id]) for model in models}
        found = predict_missing(
            candidates, graphs, profiles, evidence, load=load, quantities=quantities, host_class=host_class
        )
        return replace(found, candidates=tuple(_on_host(one, host_class) for one in found.candidates))


def _on_host(candidate: Candidate, host_class: str) -> Candidate:
    return replace(
        candidate, measured=tuple(one for one in candidate.measured if one.host_class.startswith(host_class))
    )


def _as_prediction(candidate: Candidate, one: Measured) -> LatencyPrediction:
    figures = {
        name: Figure(figure.value, figure.low, figure.high, figure.origin.value)
        for name, figure in one.figures.items()
        if figure.origin == "predicted"
    }
    return LatencyPrediction(
        model_name=candidate.name, variant=Variant.parse(one.variant), host_class=one.host_class, load=one.load,
        figures=figures,
    )  # fmt: skip
