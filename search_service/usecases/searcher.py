"""What the use cases of the search work with."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace as SpaceDocument
from search_service.domain.catalog import Modality
from search_service.domain.ports import Database
from search_service.domain.ranking import Score, ScoreInfo
from search_service.usecases.forecasting import Forecast, Forecaster, forecast_infos
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.orders import WeightedScore
from search_service.usecases.ranking import Ranker


@dataclass(frozen=True, slots=True)
class Sketched:
    """A signature, and what the caller should know of how it came about."""

    signature: Signature
    notices: tuple[str, ...] = ()


class FindSpace(Protocol):
    """Looks up the space registered for a schema."""

    def __call__(self, schema_digest: str, featuriser: str, /) -> SpaceDocument | None: ...


class Sketcher(Protocol):
    """Turns a streamed table into a signature, in bounded memory."""

    def __call__(
        self, chunks: Iterable[bytes], modality: Modality | None, column: str, find_space: FindSpace
    ) -> Sketched:
        """Reads one Arrow IPC stream, cut anywhere.

        Raises:
            InvalidArgument: INVALID_DATA, the stream cannot be read or sketched.
            NotFound: FEATURE_SPACE_NOT_FOUND, no space is registered for a schema that needs one.
            ResourceExhausted: TOO_LARGE.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Searcher:
    """The collaborators of the search's use cases."""

    database: Database
    catalogue: LiveCatalogue
    scores: Mapping[str, Score]
    default_order: tuple[WeightedScore, ...]
    sketch: Sketcher
    forecaster: Forecaster
    retrieved: int = 1000

    @property
    def infos(self) -> Mapping[str, ScoreInfo]:
        """All scores by name: those of signatures, predicted accuracy, and those of behaviour."""
        return forecast_infos() | {name: score.info for name, score in self.scores.items()}

    def ranker(self, forecast: Forecast) -> Ranker:
        """Orders candidates after these settings."""
        return Ranker(
            database=self.database,
            catalogue=self.catalogue,
            scores=self.scores,
            forecast=forecast,
            retrieved=self.retrieved,
        )
