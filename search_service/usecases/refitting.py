"""Use case: fit the accuracy predictor on the registry's own evidence, as it grows."""

from __future__ import annotations

import hashlib
import threading
from dataclasses import dataclass, field

from msearch_accuracy import AccuracyError, Predictor, blend, default_predictor
from msearch_accuracy.fitting import FitSettings, fit
from search_service.domain.errors import AlreadyExists
from search_service.domain.evaluation import PredictorVersion
from search_service.usecases.cross_evaluations import OwnEvidence, gather_evidence
from search_service.usecases.live_predictor import LivePredictor
from search_service.usecases.predictors import PredictorInUse, evidence_behind
from search_service.usecases.registry import Registry
from search_service.usecases.uploads import drop_unused_blob, store_bytes

LEAST_NEW = 6
"""Evaluations that must have come before a refit happens by itself, ..."""

NEW_SHARE = 0.2
"""... and their share of those that the last fit knew."""

KEPT_VERSIONS = 3
"""Older ones are removed; a replica that still uses one has it in memory."""


@dataclass(frozen=True, slots=True)
class Refit:
    """The predictor in use now, and why nothing was fitted ("" if it was)."""

    in_use: PredictorInUse
    notice: str = ""


@dataclass(slots=True, kw_only=True)
class Refitter:
    """Fits one at a time in this process. `refused_at`: evaluations that did not suffice at the last try."""

    registry: Registry
    predictors: LivePredictor
    seed: int = 0
    settings: FitSettings = field(default_factory=lambda: FitSettings(jobs=1))  # one thread: searches go on
    refused_at: int = -1
    fitting: threading.Lock = field(default_factory=threading.Lock)


def refit(refitter: Refitter) -> Refit:
    """Fits on what there is, blends with the default, and stores the next version. May take minutes.

    The evidence not sufficing, or scikit-learn missing, is no error: the predictor before stays in use.
    """
    with refitter.fitting:
        registry = refitter.registry
        with registry.database.begin() as unit:
            count = unit.evaluations.count_on_validation_samples()
        evidence = gather_evidence(registry.database, registry.blobs)
        try:
            predictor = blend(default_predictor(), _fit(evidence, refitter))
        except ImportError:
            refitter.refused_at = count
            return Refit(
                refitter.predictors.current(),
                "the service lacks scikit-learn, which fitting needs: pip install 'msearch[fit]'",
            )
        except (AccuracyError, ArithmeticError, LookupError, ValueError) as error:
            # What comes out of strangers' evidence must not end the thread that learns from it.
            refitter.refused_at = count
            return Refit(refitter.predictors.current(), f"nothing was fitted: {error}")
        _store(refitter, predictor, evidence, count)
        return Refit(refitter.predictors.look_now())


def refit_if_worthwhile(refitter: Refitter) -> Refit | None:
    """As `refit`, where enough evaluations have come since the last fit in any replica; else None."""
    with refitter.registry.database.begin() as unit:
        count = unit.evaluations.count_on_validation_samples()
        newest = unit.predictors.newest()
    known = newest.evaluation_count if newest is not None else 0
    known = max(known, refitter.refused_at)
    if count - known < max(LEAST_NEW, NEW_SHARE * known):
        return None
    return refit(refitter)


def _fit(evidence: OwnEvidence, refitter: Refitter) -> Predictor:
    """Raises AccuracyError where the evidence does not suffice, ImportError without scikit-learn."""
    if not evidence.workloads:
        raise AccuracyError(
            "no validation sample has outputs of three models of other sources yet: store labelled samples of several "
            "source datasets, and run models on each other's"
        )
    return fit(evidence.workloads, refitter.seed, refitter.settings)


def _store(refitter: Refitter, predictor: Predictor, evidence: OwnEvidence, count: int) -> None:
    registry, data = refitter.registry, predictor.encode()
    with store_bytes(registry, data) as arrived, registry.database.begin() as unit:
        newest = unit.predictors.newest()
        version = newest.version + 1 if newest is not None else 1
        arrived.publish(unit)
        stored = PredictorVersion(
            version=version,
            digest=hashlib.sha256(data).hexdigest(),
            size_bytes=len(data),
            own_evidence_count=evidence.pairs,
            evidence_count=evidence_behind(predictor),
            evaluation_count=count,
            fitted_at=registry.clock(),
            detail=f"fitted on {evidence.pairs} cross-evaluations of this registry, blended with the default",
        )
        try:
            unit.predictors.add(stored)
        except AlreadyExists:  # another replica was faster: its fit knows as much
            return
        gone = unit.predictors.forget_before(version - KEPT_VERSIONS + 1)
        unit.commit()
    for digest in gone:
        drop_unused_blob(registry, digest)
