"""The whole service in one object: wires the use cases to the adapters it is given, starts and stops everything."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import grpc
import structlog

from search_service.api.authentication import Tokens
from search_service.api.evaluation_samples import ArrowSampleReader
from search_service.api.samples import ArrowSampleInspection
from search_service.api.server import Server
from search_service.api.sketching import StreamSketcher, built_in_spaces
from search_service.api.upkeep import Upkeep
from search_service.domain.errors import InvalidArgument
from search_service.domain.graph_counts import CountGraphs
from search_service.domain.ports import BlobStore, Database
from search_service.domain.ranking import Score, SignatureIndex
from search_service.settings import Settings, SettingsError
from search_service.usecases.evidence import Evidence
from search_service.usecases.experimenting import CanonicalModels, Experimenting, Optimiser
from search_service.usecases.forecasting import PREDICTED_ACCURACY, Forecaster
from search_service.usecases.live_catalogue import LiveCatalogue
from search_service.usecases.live_predictor import LivePredictor
from search_service.usecases.orders import WeightedScore, check_order, parse_order
from search_service.usecases.profiling import Profiling
from search_service.usecases.refitting import Refitter
from search_service.usecases.registry import CardReader, NewInspection, Registry
from search_service.usecases.searcher import Searcher
from search_service.usecases.signature_cache import SignatureCache
from search_service.usecases.spaces import register_built_in_spaces
from search_service.usecases.tokens import Access, authenticate, list_tokens

_log = structlog.get_logger()


class Service:
    """Binds its address at once; `start` loads the catalogue and serves, `stop` drains and ends.

    `handlers` answer further gRPC methods on the same server.

    Raises:
        SettingsError: the default order names no known score, or a file of TLS cannot be used.
        OSError: the address cannot be bound.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        database: Database,
        blobs: BlobStore,
        index: SignatureIndex,
        scores: Mapping[str, Score],
        cards: CardReader,
        inspect: NewInspection,
        canonical_models: CanonicalModels,
        optimiser: Optimiser,
        count_graphs: CountGraphs | None = None,
        handlers: Sequence[grpc.GenericRpcHandler] = (),
    ) -> None:
        self._settings = settings
        self._catalogue = LiveCatalogue(database, index, SignatureCache(settings.signature_cache_bytes))
        self._registry = Registry(
            database=database,
            blobs=blobs,
            cards=cards,
            inspect=inspect,
            inspect_sample=ArrowSampleInspection,
            clock=_now,
            new_id=new_id,
            committed=self._catalogue.note_own_commit,
            largest_artifact_bytes=settings.largest_artifact_bytes,
        )
        self.predictors = LivePredictor(database, blobs)
        searcher = Searcher(
            database=database,
            catalogue=self._catalogue,
            scores=scores,
            default_order=_read_order(settings.default_order, {*scores, PREDICTED_ACCURACY}),
            sketch=StreamSketcher(
                largest_rows=settings.largest_search_rows, largest_bytes=settings.largest_search_bytes
            ),
            forecaster=Forecaster(
                database=database,
                blobs=blobs,
                catalogue=self._catalogue,
                clock=_now,
                predictors=self.predictors,
            ),
            retrieved=settings.retrieved,
        )
        self._stopping = threading.Event()
        self._profiling = Profiling(
            database=database,
            blobs=blobs,
            clock=_now,
            new_id=new_id,
            wait=self._stopping.wait,
            lease_duration=timedelta(seconds=settings.lease_s),
            count_graphs=count_graphs,
        )
        self._access = open_access(database)
        self._experimenting = Experimenting(
            profiling=self._profiling, registry=self._registry, canonical_models=canonical_models, optimiser=optimiser
        )
        self.evidence = Evidence(
            registry=self._registry,
            profiling=self._profiling,
            new_reader=ArrowSampleReader,
            sample_quota_bytes=settings.evaluation_sample_quota_bytes,
        )
        self.refitter = Refitter(registry=self._registry, predictors=self.predictors)
        self._server = Server(
            self._registry,
            searcher,
            self._profiling,
            access=self._access,
            experimenting=self._experimenting,
            evidence=self.evidence,
            refitter=self.refitter,
            tokens=Tokens(partial(authenticate, self._access), self._any_token_exists, settings.require_tokens),
            listen=settings.listen,
            threads=settings.threads,
            tls=settings.tls,
            handlers=handlers,
        )
        self.upkeep = Upkeep(
            settings,
            catalogue=self._catalogue,
            evidence=self.evidence,
            experimenting=self._experimenting,
            refitter=self.refitter,
        )

    @property
    def address(self) -> str:
        """Host and port that are bound."""
        return self._server.address

    def start(self) -> None:
        """Loads the catalogue, then accepts calls.

        Raises:
            Unavailable: the database does not answer.
        """
        started = time.perf_counter()
        register_built_in_spaces(self._registry, built_in_spaces())
        models = self._catalogue.load()
        _log.info("catalogue_loaded", models=models, duration_ms=round((time.perf_counter() - started) * 1e3, 1))
        self.upkeep.start()
        if self._settings.require_tokens == "always" and not self._any_token_exists():
            _log.warning("no_token_exists", advice="create one: msearch-service token create NAME --role admin")
        self._server.start()

    def stop(self) -> None:
        """Reports unhealthy, lets the calls in progress finish within the grace period, and ends the threads."""
        self._stopping.set()
        self._server.stop(self._settings.grace_s)
        self.upkeep.stop()

    def _any_token_exists(self) -> bool:
        return bool(list_tokens(self._access))


def _read_order(text: str, known: Collection[str]) -> tuple[WeightedScore, ...]:
    """Raises SettingsError where the order cannot be used."""
    try:
        return check_order(parse_order(text), known, "default_order")
    except InvalidArgument as error:
        raise SettingsError(f"MSEARCH_DEFAULT_ORDER cannot be used: {error.message}") from None


def open_access(database: Database) -> Access:
    """What the use cases of tokens work with."""
    return Access(database=database, clock=_now, new_id=new_id, new_secret=_new_secret)


def _now() -> datetime:
    return datetime.now(UTC)


def _new_secret() -> str:
    return secrets.token_urlsafe(32)


def new_id(prefix: str) -> str:
    """Ids grow with time, so that indexes over them grow at one end; the second half is chance."""
    return f"{prefix}_{time.time_ns() // 1_000_000:011x}{secrets.token_hex(7)}"
