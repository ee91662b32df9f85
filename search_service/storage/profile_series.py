"""Which profiles form a series, and the values that a search looks at."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence

from search_service.domain.profiling import Profile


def series_of(profile: Profile) -> str:
    """A digest of model, variant, load and host class: equal for the profiles of a series (`ports.ProfileStore`)."""
    variant = profile.variant
    key = [
        profile.model_id,
        variant.backend,
        variant.precision.value,
        variant.batch_size,
        variant.threads,
        variant.mode,
        variant.device,
        profile.load_text,
        profile.host_class,
    ]
    return hashlib.sha256(json.dumps(key, separators=(",", ":")).encode()).hexdigest()


def figures_of(profile: Profile) -> dict[str, float]:
    """The measured values by name, without those that could not be had."""
    return {measurement.name: measurement.value for measurement in profile.measurements if measurement.measured}


def models_that_changed(profiles: Sequence[Profile]) -> list[str]:
    """Ids of the models of which a search now finds other profiles: those of the VALID ones, sorted."""
    return sorted({profile.model_id for profile in profiles if profile.valid and profile.model_id})
