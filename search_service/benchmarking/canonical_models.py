"""Makes canonical models for the use cases."""

from __future__ import annotations

from msearch_experiments.canonical import Architecture, card_of, onnx_bytes
from search_service.usecases.experimenting import MadeModel


class GeneratedModels:
    """Implements `usecases.experimenting.CanonicalModels`."""

    def make(self, architecture: Architecture) -> MadeModel:
        """See `CanonicalModels.make`."""
        return MadeModel(card=card_of(architecture).canonical_json(), artifact=onnx_bytes(architecture))
