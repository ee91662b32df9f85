"""What is known of registered models, in the words of the predictor."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from msearch_accuracy import CandidateEvidence, Coreset
from msearch_accuracy.label_matching import names_of
from msearch_sketch.signature import Signature
from search_service.domain.catalog import Model
from search_service.domain.ports import Database
from search_service.usecases.live_catalogue import LiveCatalogue


class Coresets:
    """The coresets of signatures: measuring their spacing costs a millisecond, so the last `most` are kept.

    Safe to share between threads. Signatures are told apart by identity: the cache they come from hands out one object
    as long as it is the signature of that dataset.
    """

    def __init__(self, most: int = 1500) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._kept: OrderedDict[int, tuple[Signature, Coreset | None]] = OrderedDict()

    def get(self, name: str, signature: Signature) -> Coreset | None:
        """The coreset of the signature, None where it has no centroids."""
        with self._lock:
            kept = self._kept.get(id(signature))
            if kept is not None:
                self._kept.move_to_end(id(signature))
                return kept[1]
        coreset = Coreset.of(name, signature)
        with self._lock:
            self._kept[id(signature)] = (signature, coreset)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
        return coreset


def signatures_of(
    database: Database, catalogue: LiveCatalogue, space_digest: str, models: Sequence[Model]
) -> dict[str, Signature]:
    """Signatures in that space of the models' source datasets, by dataset id; those without one are left out."""

    def load(dataset_ids: Sequence[str]) -> dict[str, bytes]:
        with database.begin() as unit:
            return unit.datasets.signatures_in(space_digest, dataset_ids)

    return catalogue.signatures.get_many(space_digest, [model.dataset_id for model in models], load)


def evidence_of(
    models: Sequence[Model],
    signatures: Mapping[str, Signature],
    coresets: Coresets,
    probabilities: Mapping[str, NDArray[Any]],
) -> list[CandidateEvidence]:
    """One candidate a model, named by its id. `probabilities` are outputs on the target's rows, by model id.

    The classes of a source are called as the model calls them, where its labels are numbers.
    """
    found = []
    for model in models:
        signature = signatures.get(model.dataset_id)
        source = None if signature is None else coresets.get(model.dataset_id, signature)
        found.append(evidence_of_one(model, signature, source, probabilities.get(model.id)))
    return found


def evidence_of_one(
    model: Model, signature: Signature | None, source: Coreset | None, probabilities: NDArray[Any] | None = None
) -> CandidateEvidence:
    """As `evidence_of`; `source` is the coreset of the signature."""
    names = () if source is None else names_of(source.classes, model.classes)
    if source is not None and names != source.classes:
        source = replace(source, classes=names)
    measured = model.validation.statistics if model.validation is not None else None
    if measured is None and signature is not None:
        measured = signature.validation
    return CandidateEvidence(
        name=model.id,
        classes=model.classes,
        probabilities=probabilities,
        source=source,
        accuracy=measured.accuracy if measured is not None else model.claimed_accuracy,
        temperature=measured.temperature if measured is not None else 1.0,
    )
