"""The client's calls about models."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msearch_card import Card, CardError, TooLargeToCarry, carry_files, load_card, parse_card
from msearch_client._artifacts import OnProgress, Upload, choose_path, prepare_upload, write_atomically
from msearch_client._catalogue import Artifact, Dataset, Filter, Metric, Model, ModelReference, NewDataset
from msearch_client._datasets import DatasetCalls
from msearch_client._errors import InternalError, LocalError
from msearch_client._listing import Listing, Page
from msearch_client._references import new_request_id, revision_of, with_model
from msearch_client._wire import requests
from msearch_client._wire.catalogue import artifact_from_proto, model_from_proto

PAGE_SIZE = 200

_log = logging.getLogger("msearch_client")


class ModelCalls(DatasetCalls):
    """Register, read, change and delete models."""

    def register_model(
        self,
        card: Card | Mapping[str, Any] | str | os.PathLike[str],
        *,
        artifact: str | os.PathLike[str] | bytes | None = None,
        dataset: Dataset | NewDataset | str | None = None,
        request_id: str | None = None,
        progress: OnProgress | None = None,
    ) -> Model:
        """Registers a model, and its source dataset with it where that is new.

        Args:
            card: a card, a mapping with its fields, or the path of a YAML or JSON file.
            artifact: path or bytes of the model file; None if the card says where it is (`artifact.uri`), or that it
                is nowhere (`artifact.format: none`).
            dataset: what the model was trained on: a registered dataset (also by name or id) or a new one. A model
                without one is never ranked.
            request_id: makes the call safe to repeat; chosen by the client if None. "" sends none, and turns retries
                off.
            progress: called with (bytes sent, bytes in all) during an upload.

        Raises:
            LocalError: the card is invalid, or the artifact cannot be read.
            InvalidArgumentError: the service refuses card or artifact; `fields` says why.
            AlreadyExistsError: the name and version are taken.
            NotFoundError: there is no such dataset.
        """
        checked = carry_files_of(read_card(card))
        request_id = new_request_id() if request_id is None else request_id
        upload, external = _locate(checked, artifact)
        dataset_id = ""
        if isinstance(dataset, Dataset):
            dataset_id = dataset.id
        elif isinstance(dataset, str):
            dataset_id = self.get_dataset(dataset).id
        header = requests.model_header(
            request_id=request_id,
            card_json=checked.canonical_json(),
            dataset_id=dataset_id,
            new_dataset=dataset if isinstance(dataset, NewDataset) else None,
            upload=None if upload is None else (upload.digest, upload.size_bytes),
            external=external,
        )

        def messages() -> Iterator[Any]:
            yield header
            if upload is not None:
                for chunk in upload.chunks(progress):
                    yield requests.model_chunk(chunk)

        answer = self._transport.send(
            self._transport.registry.RegisterModel,
            messages,
            repeatable=bool(request_id),
            timeout_s=self._transport.transfer_timeout_s(upload.size_bytes if upload else 0),
        )
        return model_from_proto(answer.model)

    def get_model(self, model: ModelReference) -> Model:
        """One model with its full card, by name (the newest version), "name@version" or id.

        Raises:
            NotFoundError: there is no such model.
        """
        call = self._transport.registry.GetModel
        answer = with_model(model, lambda reference: self._transport.call(call, requests.get_model(reference)))
        return model_from_proto(answer.model)

    def models(self, filter: Filter | None = None, *, page_size: int = PAGE_SIZE) -> Listing[Model]:
        """All models that match, by name and version, without their cards. Pages are fetched while iterating."""
        chosen = filter or Filter()

        def fetch(token: str) -> Page[Model]:
            request = requests.list_models(chosen, page_size, token)
            answer = self._transport.call(self._transport.registry.ListModels, request)
            return Page(
                tuple(model_from_proto(item) for item in answer.models), answer.next_page_token, answer.total_size
            )

        return Listing(fetch)

    def update_model(
        self,
        model: ModelReference,
        *,
        description: str | None = None,
        licence: str | None = None,
        tags: Sequence[str] | None = None,
        metrics: Sequence[Metric] | None = None,
        revision: int | None = None,
        request_id: str | None = None,
    ) -> Model:
        """Changes what the card says for people; None leaves a field as it is.

        Given a model that a call returned, or a `revision`, the change is refused if the model changed since.

        Raises:
            NotFoundError: there is no such model.
            ConflictError: the model changed since it was read.
        """
        request_id = new_request_id() if request_id is None else request_id
        answer = with_model(
            model,
            lambda reference: self._transport.call(
                self._transport.registry.UpdateModel,
                requests.update_model(
                    reference,
                    description=description,
                    licence=licence,
                    tags=tags,
                    metrics=metrics,
                    revision=revision_of(model, revision),
                    request_id=request_id,
                ),
                repeatable=bool(request_id),
            ),
        )
        return model_from_proto(answer.model)

    def delete_model(
        self, model: ModelReference, *, revision: int | None = None, request_id: str | None = None
    ) -> None:
        """Deletes a model; its artifact goes when no other model shares it.

        Given a model that a call returned, or a `revision`, it is refused if the model changed since.

        Raises:
            NotFoundError: there is no such model.
            ConflictError: the model changed since it was read.
        """
        request_id = new_request_id() if request_id is None else request_id
        with_model(
            model,
            lambda reference: self._transport.call(
                self._transport.registry.DeleteModel,
                requests.delete_model(reference, revision_of(model, revision), request_id),
                repeatable=bool(request_id),
            ),
        )

    def download_artifact(
        self,
        model: ModelReference,
        path: str | os.PathLike[str],
        *,
        overwrite: bool = False,
        progress: OnProgress | None = None,
    ) -> Path:
        """Writes the model's bytes to a file, or to NAME-VERSION.onnx in a folder, and returns its path.

        The digest is verified; the file appears whole or not at all.

        Raises:
            NotFoundError: there is no such model.
            LocalError: the service does not hold the bytes, the file exists or cannot be written, or the bytes are
                damaged.
        """
        found = self.get_model(model)
        if not found.artifact.stored:
            place = f"they are at {found.artifact.uri}" if found.artifact.uri else "it has no artifact"
            raise LocalError(f"the service does not hold the bytes of {found.name}@{found.version}: {place}")
        target = choose_path(Path(path), found)
        if target.exists() and not overwrite:
            raise LocalError(f"{target} exists already", hint="allow to overwrite it, or name another file")

        def consume(stream: Iterator[Any]) -> None:
            first = next(stream, None)
            if first is None or first.WhichOneof("part") != "artifact":
                raise InternalError(f"the download of {found.name}@{found.version} does not begin with its artifact")
            announced = artifact_from_proto(first.artifact)
            write_atomically(target, announced, (message.chunk for message in stream), progress)

        self._transport.receive(
            self._transport.registry.DownloadArtifact,
            requests.download_artifact(requests.ModelReference(id=found.id)),
            consume,
            timeout_s=self._transport.transfer_timeout_s(found.artifact.size_bytes),
        )
        return target


def read_card(card: Card | Mapping[str, Any] | str | os.PathLike[str]) -> Card:
    """A checked card from what a caller may give.

    Raises:
        LocalError: the card is invalid; `fields` names each wrong field.
    """
    if isinstance(card, Card):
        return card
    try:
        return parse_card(card) if isinstance(card, Mapping) else load_card(Path(card))
    except CardError as error:
        raise LocalError(error.message, hint="docs/model-card.md describes every field", fields=error.fields) from None


def carry_files_of(card: Card) -> Card:
    """The card as it is registered: with its tokenizer file inside, so that whoever runs the model has it.

    Raises:
        LocalError: the file cannot be read, or is none.
    """
    try:
        return carry_files(card)
    except TooLargeToCarry as error:
        _log.warning("%s; agents will run %s on generated inputs", error.message, card.identity)
        return card
    except CardError as error:
        raise LocalError(error.message, fields=error.fields) from None


def _locate(card: Card, artifact: str | os.PathLike[str] | bytes | None) -> tuple[Upload | None, Artifact | None]:
    """What to upload, or where the bytes are instead."""
    declared = card.artifact
    if artifact is not None:
        if declared.format == "none" or declared.uri:
            where = "is at " + declared.uri if declared.uri else "has none (artifact.format: none)"
            raise LocalError(
                f"an artifact is given, but the card of {card.identity} says that the model {where}",
                hint="leave the artifact out, or set artifact.format in the card and remove artifact.uri",
            )
        return prepare_upload(artifact), None
    if declared.format != "none" and not declared.uri:
        raise LocalError(
            f"the card of {card.identity} declares an artifact of format {declared.format}, but none is given",
            hint="give the file, or say in the card where it is (artifact.uri) or that there is none "
            "(artifact.format: none)",
        )
    return None, Artifact(format=declared.format, uri=declared.uri) if declared.uri else None
