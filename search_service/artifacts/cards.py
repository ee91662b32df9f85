"""Reads and changes model cards for the use cases."""

from __future__ import annotations

import json

from msearch_card import Card, CardError, parse_card
from search_service.domain.catalog import Metric, Modality
from search_service.domain.errors import InvalidArgument, Reason
from search_service.usecases.registry import CardChanges, CardFacts


class Cards:
    """Implements `usecases.registry.CardReader`."""

    def read(self, text: str) -> CardFacts:
        """See `CardReader.read`."""
        return _facts(_parse(text))

    def amend(self, document: str, changes: CardChanges) -> CardFacts:
        """See `CardReader.amend`."""
        values = json.loads(document)
        for field in ("description", "licence", "tags"):
            value = getattr(changes, field)
            if value is not None:
                values[field] = value
        if changes.metrics is not None:
            values["metrics"] = [
                {"name": metric.name, "value": metric.value, "dataset": metric.dataset} for metric in changes.metrics
            ]
        return self.read(json.dumps(values))


def _parse(text: str) -> Card:
    try:
        return parse_card(text)
    except CardError as error:
        raise InvalidArgument(error.message, Reason.INVALID_CARD, error.fields) from None


def _facts(card: Card) -> CardFacts:
    return CardFacts(
        name=card.name,
        version=card.version,
        description=card.description,
        licence=card.licence,
        tags=card.tags,
        task=card.task,
        modality=Modality(card.modality),
        classes=card.classes,
        metrics=tuple(
            Metric(name=metric.name, value=float(metric.value), dataset=metric.dataset) for metric in card.metrics
        ),
        parent=card.parent or "",
        format=card.artifact.format,
        uri=card.artifact.uri or "",
        document=card.canonical_json(),
    )
