"""A registry of made-up models whose accuracy on made-up targets is known, for tests of predictions in rankings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from msearch.v1 import evaluation_service_pb2 as epb
from msearch.v1 import registry_service_pb2 as rpb
from msearch.v1 import search_service_pb2 as spb
from msearch.v1 import types_pb2
from msearch_sketch.signature import Signature
from msearch_sketch.sketcher import Sketcher
from msearch_sketch.spaces import TICKS_PER_UNIT
from tests.evaluation_at_work import SmallRegistry, rows_of
from tests.made_up_accuracy import CLASSES, outputs, place, reach
from tests.service_in_process import Running, card, header
from tests.signatures import SPACE


@dataclass(frozen=True)
class MadeUpTarget:
    """A stored target: its sample and signature, the true labels of its rows, true accuracies by model."""

    sample: epb.EvaluationSample
    signature: types_pb2.Signature
    labels: NDArray[np.int64]
    true: dict[str, float] = field(default_factory=dict)

    @property
    def best(self) -> str:
        """The model that is best."""
        return max(self.true, key=self.true.__getitem__)


def ticks_of(domain: int, labels: NDArray[np.int64], seed: int) -> NDArray[np.int16]:
    """Rows of a domain."""
    rows = place(domain, labels, np.random.default_rng([seed, domain]))
    return np.round(rows * TICKS_PER_UNIT).astype(np.int16)


def point_stream(ticks: NDArray[np.int16], labels: Sequence[Any] | None = None) -> bytes:
    """Points as a client sends them."""
    columns: dict[str, Any] = {
        "point": pa.FixedSizeListArray.from_arrays(pa.array(ticks.ravel(), pa.int16()), ticks.shape[1])
    }
    if labels is not None:
        columns["label"] = pa.array(labels)
    return rows_of(pa.table(columns).replace_schema_metadata({"msearch.space_digest": SPACE.digest}))


def made_up_signature(domain: int, labels: Sequence[str] = CLASSES, rows: int = 150) -> Signature:
    """The signature of labelled rows of a domain."""
    numbers = np.arange(rows) % len(labels)
    sketcher = Sketcher(SPACE)
    sketcher.add(ticks_of(domain, numbers, 7), numbers)
    return sketcher.signature(tuple(labels))


def register_made_up(
    running: Running, name: str, domain: int, *, classes: Sequence[str] = CLASSES, labels: Sequence[str] = CLASSES
) -> types_pb2.Model:
    """A hosted model of a domain with its labelled source, whose labels are called so."""
    signature = made_up_signature(domain, labels)
    source = rpb.NewDataset(
        name=f"{name}-data",
        modality=types_pb2.MODALITY_EMBEDDING,
        signatures=[types_pb2.Signature(data=signature.encoded)],
    )
    described = card(name, classes=list(classes), metrics=[{"name": "accuracy", "value": 0.95}])
    return running.registry.RegisterModel(iter([header(described, new_dataset=source)])).model


def fill_made_up(running: Running, domains: int = 6) -> SmallRegistry:
    """One model a domain, model-0 to model-5; the model of the target's own domain is the best."""
    running.registry.RegisterFeatureSpace(rpb.RegisterFeatureSpaceRequest(document=SPACE.document))
    models = {f"model-{domain}": register_made_up(running, f"model-{domain}", domain) for domain in range(domains)}
    return SmallRegistry(running, SPACE, models)


def put_target(registry: SmallRegistry, domain: int, rows: int = 200, seed: int = 1) -> MadeUpTarget:
    """Stores a target of a domain as points."""
    labels = np.random.default_rng([seed, domain, rows]).integers(0, 3, rows)
    content = epb.PutEvaluationSampleRequest.CONTENT_POINTS
    stored = registry.put_sample(point_stream(ticks_of(domain, labels, seed)), content=content)
    return MadeUpTarget(stored.sample, stored.signature, labels)


def run_all(registry: SmallRegistry, target: MadeUpTarget, domain: int, names: Sequence[str] = ()) -> None:
    """Adds the outputs of models on the target, and notes how accurate they are."""
    random = np.random.default_rng([5, domain])
    for name in names or registry.models:
        told = outputs(reach(int(name.rpartition("-")[2]), domain), target.labels, random)
        registry.add_outputs(name, target.sample.id, told, CLASSES)
        target.true[name] = float((told.argmax(axis=1) == target.labels).mean())


def rank(registry: SmallRegistry, target: MadeUpTarget, *order: str, **options: Any) -> spb.Ranking:
    """A ranking for the target, by default by predicted accuracy."""
    asked = [spb.WeightedScore(score=name, weight=1.0) for name in order or ("predicted_accuracy",)]
    settings = spb.RankingOptions(order_by=asked, **options)
    request = spb.SearchRequest(signature=target.signature, options=settings)
    ranking: spb.Ranking = registry.running.search.Search(request).ranking
    return ranking
