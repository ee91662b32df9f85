"""Use cases of the accuracy predictor: which one is in use."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from msearch_accuracy import Predictor, default_predictor


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictorInUse:
    """A predictor with what is known of it; `fitted_at` is None for the default, which ships with the program."""

    version: str
    predictor: Predictor
    data: bytes
    own_evidence_count: int
    evidence_count: int
    detail: str
    fitted_at: datetime | None = None

    @property
    def trusted(self) -> bool:
        """Whether it rests on enough evidence to order candidates."""
        return self.predictor.trusted

    @property
    def digest(self) -> str:
        """SHA-256 of its bytes."""
        return hashlib.sha256(self.data).hexdigest()


@lru_cache(maxsize=1)
def the_default() -> PredictorInUse:
    """The predictor that ships with the program."""
    predictor = default_predictor()
    return PredictorInUse(
        version="default",
        predictor=predictor,
        data=predictor.encode(),
        own_evidence_count=0,
        evidence_count=evidence_behind(predictor),
        detail=f"fitted on the workloads {', '.join(predictor.workloads)}, nothing of this registry",
    )


def evidence_behind(predictor: Predictor) -> int:
    """Cross-evaluations that it was fitted on."""
    return max(form.pairs for form in predictor.forms.values())
