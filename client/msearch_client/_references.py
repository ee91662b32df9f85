"""Which object is meant: people give a name, "name@version" or an id, programs an object that a call returned."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import TypeVar

from msearch_client._catalogue import Dataset, Model
from msearch_client._errors import InvalidArgumentError, NotFoundError
from msearch_client._wire import requests

Answer = TypeVar("Answer")


def with_model(model: str | Model, call: Callable[[requests.ModelReference], Answer]) -> Answer:
    """Calls with the model's name, and with the same text as an id where no model has that name.

    Raises:
        NotFoundError: there is no model of that name, version or id.
    """
    if isinstance(model, Model):
        return call(requests.ModelReference(id=model.id))
    return _first_found(
        "MODEL_NOT_FOUND",
        lambda: call(requests.ModelReference(name=model)),
        lambda: call(requests.ModelReference(id=model)),
    )


def with_dataset(dataset: str | Dataset, call: Callable[[requests.DatasetReference], Answer]) -> Answer:
    """As `with_model`.

    Raises:
        NotFoundError: there is no dataset of that name, version or id.
    """
    if isinstance(dataset, Dataset):
        return call(requests.DatasetReference(id=dataset.id))
    return _first_found(
        "DATASET_NOT_FOUND",
        lambda: call(requests.DatasetReference(name=dataset)),
        lambda: call(requests.DatasetReference(id=dataset)),
    )


def _first_found(reason: str, by_name: Callable[[], Answer], by_id: Callable[[], Answer]) -> Answer:
    try:
        return by_name()
    except NotFoundError as error:
        if error.reason != reason:
            raise
        try:
            return by_id()
        except (NotFoundError, InvalidArgumentError):
            raise error from None


def revision_of(reference: str | Model | Dataset, revision: int | None) -> int:
    """The revision to insist on: as given, else that of the object, else 0 for none."""
    if revision is not None:
        return revision
    return 0 if isinstance(reference, str) else reference.revision


def new_request_id() -> str:
    """An id that no other request has."""
    return uuid.uuid4().hex
