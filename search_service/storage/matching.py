"""Whether an object passes a filter: the definition, in plain Python, that the SQL filters are tested against."""

from __future__ import annotations

from search_service.domain.catalog import Dataset, Filter, Model
from search_service.storage.words import document_words, sought_words


def model_passes(model: Model, filter: Filter) -> bool:
    """Whether all conditions of the filter hold for the model."""
    return (
        (not filter.tasks or model.task in filter.tasks)
        and (not filter.modalities or model.modality in filter.modalities)
        and (not filter.formats or model.artifact.format in filter.formats)
        and (not filter.dataset_id or model.dataset_id == filter.dataset_id)
        and set(filter.classes) <= set(model.classes)
        and set(filter.tags) <= set(model.tags)
        and _licence_passes(model.licence, filter)
        and _text_passes(model.name, model.description, filter)
    )


def dataset_passes(dataset: Dataset, filter: Filter) -> bool:
    """Whether the conditions that apply to datasets (modalities, tags, licences, text) hold."""
    return (
        (not filter.modalities or dataset.modality in filter.modalities)
        and set(filter.tags) <= set(dataset.tags)
        and _licence_passes(dataset.licence, filter)
        and _text_passes(dataset.name, dataset.description, filter)
    )


def _licence_passes(licence: str, filter: Filter) -> bool:
    return not filter.licences or licence.casefold() in {wanted.casefold() for wanted in filter.licences}


def _text_passes(name: str, description: str, filter: Filter) -> bool:
    sought = sought_words(filter.text)
    if not sought:
        return True
    words = document_words(name, description)
    return all(any(word.startswith(wanted) for word in words) for wanted in sought)
