"""Registers all models of a manifest, several at a time; run again, it goes on where it stopped."""

from __future__ import annotations

import threading
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

from msearch_card import Card, parse_card
from msearch_client import (
    AlreadyExistsError,
    Client,
    Dataset,
    LocalError,
    Model,
    MsearchError,
    NotFoundError,
    UnavailableError,
)
from msearch_client._artifacts import prepare_upload
from msearch_client._models import carry_files_of, read_card
from msearch_client.cli.manifest import DatasetEntry, Manifest, ModelEntry
from msearch_client.cli.validation import Way, not_validated
from msearch_sketch.spaces import FeatureSpace


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one model: `state` is "registered", "skipped" (it was there) or "failed"."""

    card: str
    state: str
    model: str = ""
    error: MsearchError | None = None

    def to_dict(self) -> dict[str, Any]:
        """The outcome as JSON values."""
        failure = {} if self.error is None else self.error.to_dict()
        return {"card": self.card, "model": self.model, "state": self.state} | failure


class BulkRegistration:
    """One run over a manifest.

    Each distinct dataset is sketched once, however many models share it. Feature spaces that are fitted to data are
    fitted in the order of the manifest, so that the result does not depend on `jobs`.
    """

    def __init__(
        self,
        client: Client,
        manifest: Manifest,
        *,
        jobs: int,
        limit_rows: int | None,
        sample: int | None = None,
        way: Way = Way(),  # noqa: B008 - a value
    ) -> None:
        self._client = client
        self._manifest = manifest
        self._jobs = jobs
        self._limit_rows = limit_rows
        self._sample = sample
        self._way = way
        self._unavailable: UnavailableError | None = None
        self._stopped = threading.Event()

    def run(self) -> Generator[Outcome, None, None]:
        """Yields an outcome a model as it is known.

        After the service stopped answering nothing more is tried: what is left fails with the same error.
        """
        pool = ThreadPoolExecutor(self._jobs, thread_name_prefix="register")
        try:
            datasets = {entry.identity: self._submit_dataset(pool, entry) for entry in self._manifest.datasets}
            models = [pool.submit(self._register, entry, datasets) for entry in self._manifest.models]
            for future in as_completed(models):
                yield future.result()
        finally:
            self._stopped.set()
            # Nothing waits for calls in flight: after an interrupt they end when the caller closes the client.
            pool.shutdown(wait=False, cancel_futures=True)

    def _submit_dataset(self, pool: ThreadPoolExecutor, entry: DatasetEntry) -> Future[Dataset]:
        """Finds the dataset, or starts to sketch it. Its feature space is settled here, in order."""
        ready: Future[Dataset] = Future()
        try:
            self._check_available()
            try:
                found = self._client.get_dataset(entry.identity)
                if self._sample is not None and found.sample is None and entry.data is not None:
                    return pool.submit(self._store_sample, found, entry)
                ready.set_result(found)
            except NotFoundError:
                if entry.data is None:
                    raise
                space = self._client.space_for(
                    entry.data,
                    modality=entry.modality,
                    column=entry.column,
                    ignore=entry.ignore,
                    labels=entry.labels,
                    source=True,
                    limit_rows=self._limit_rows,
                )
                return pool.submit(self._register_dataset, entry, space)
        except MsearchError as error:
            ready.set_exception(self._noted(error))
        return ready

    def _store_sample(self, dataset: Dataset, entry: DatasetEntry) -> Dataset:
        """Stores rows of the dataset, if that is asked for."""
        if self._sample is None:
            return dataset
        self._check_available()
        return self._client.put_sample(
            dataset, entry.data, rows=self._sample, labels=entry.labels, modality=entry.modality, column=entry.column,
            ignore=entry.ignore,
        )  # fmt: skip

    def _register_dataset(self, entry: DatasetEntry, space: FeatureSpace) -> Dataset:
        self._check_available()
        try:
            registered = self._client.register_dataset(
                entry.name,
                data=entry.data,
                labels=entry.labels,
                modality=entry.modality,
                column=entry.column,
                ignore=entry.ignore,
                space=space,
                version=entry.version,
                description=entry.description,
                tags=entry.tags,
                licence=entry.licence,
                limit_rows=self._limit_rows,
            )
        except AlreadyExistsError:
            # Another program registered it between the look and the call.
            return self._client.get_dataset(entry.identity)
        return self._store_sample(registered, entry)

    def _register(self, entry: ModelEntry, datasets: dict[str, Future[Dataset]]) -> Outcome:
        name = ""
        try:
            self._check_available()
            card = carry_files_of(read_card(entry.card))
            name = card.identity
            existing = self._find(card)
            if existing is not None:
                check_same(existing, card, entry)
                if existing.validation is None:
                    self._validate(existing, card, entry)
                return Outcome(card=str(entry.card), model=name, state="skipped")
            dataset = entry.dataset
            source = datasets[dataset.identity].result() if isinstance(dataset, DatasetEntry) else dataset
            registered = self._client.register_model(card, artifact=entry.artifact, dataset=source)
            self._validate(registered, card, entry)
        except MsearchError as error:
            return Outcome(card=str(entry.card), model=name, state="failed", error=self._noted(error))
        return Outcome(card=str(entry.card), model=name, state="registered")

    def _validate(self, model: Model, card: Card, entry: ModelEntry) -> None:
        if entry.validation is None:
            return
        self._check_available()
        given = entry.validation
        try:
            self._client.validate(
                model, given.data, labels=given.labels, by=self._way.by.value, share=self._way.share, card=card,
                artifact=entry.artifact,
            )  # fmt: skip
        except UnavailableError:
            raise
        except MsearchError as error:
            raise not_validated(model, given.data, error) from None

    def _find(self, card: Card) -> Model | None:
        try:
            return self._client.get_model(card.identity)
        except NotFoundError:
            return None

    def _noted(self, error: MsearchError) -> MsearchError:
        if isinstance(error, UnavailableError):
            self._unavailable = error
        return error

    def _check_available(self) -> None:
        if self._unavailable is not None:
            raise self._unavailable
        if self._stopped.is_set():
            raise LocalError("the registration was interrupted")


def check_same(existing: Model, card: Card, entry: ModelEntry) -> None:
    """Checks that the registered model is the one that the manifest means.

    Raises:
        LocalError: its card or its artifact differs, or the artifact cannot be read.
    """
    different = []
    if parse_card(existing.card_json) != card:
        different.append("card")
    if entry.artifact is not None and prepare_upload(entry.artifact).digest != existing.artifact.digest:
        different.append("artifact")
    if different:
        raise LocalError(
            f"{card.identity} is registered already with another {' and another '.join(different)}",
            hint="give the new model a new version, or delete the old one",
        )
