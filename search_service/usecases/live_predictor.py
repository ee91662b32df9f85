"""The predictor that a replica uses: the newest that any replica has fitted, or the default."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from msearch_accuracy import AccuracyError, Predictor
from search_service.domain.errors import DomainError
from search_service.domain.evaluation import PredictorVersion
from search_service.domain.ports import BlobStore, Database
from search_service.usecases.predictors import PredictorInUse, the_default

LOOK_EVERY_S = 5.0


class LivePredictor:
    """Looks for a newer version now and then; safe to share between threads."""

    def __init__(self, database: Database, blobs: BlobStore, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._blobs = blobs
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._in_use: PredictorInUse | None = None
        self._seen_version = 0
        self._looked_at = float("-inf")

    def current(self) -> PredictorInUse:
        """The one in use. A database that does not answer leaves the one before in use."""
        with self._lock:
            if self._in_use is None or self._monotonic() - self._looked_at > LOOK_EVERY_S:
                self._look()
                self._looked_at = self._monotonic()
            return self._in_use or the_default()

    def look_now(self) -> PredictorInUse:
        """As `current`, after a look: for whoever has just stored one."""
        with self._lock:
            self._looked_at = float("-inf")
        return self.current()

    def _look(self) -> None:
        try:
            with self._database.begin() as unit:
                newest = unit.predictors.newest()
            if newest is None:
                self._in_use, self._seen_version = the_default(), 0
            elif newest.version != self._seen_version or self._in_use is None:
                self._in_use = load_version(self._blobs, newest)
                self._seen_version = newest.version
        except DomainError:
            self._in_use = self._in_use or the_default()


def load_version(blobs: BlobStore, version: PredictorVersion) -> PredictorInUse:
    """A stored predictor; the default in its place where this program cannot read it. Raises NotFound."""
    data = b"".join(blobs.read(version.digest))
    try:
        predictor = Predictor.decode(data)
    except AccuracyError:  # fitted by a program with other features: the next refit puts it right
        return the_default()
    return PredictorInUse(
        version=str(version.version),
        predictor=predictor,
        data=data,
        own_evidence_count=version.own_evidence_count,
        evidence_count=version.evidence_count,
        detail=version.detail,
        fitted_at=version.fitted_at,
    )
