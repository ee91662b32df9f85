"""The client's calls about source datasets."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Dataset, DatasetReference, Filter, Modality, NewDataset, parse_modality
from msearch_client._listing import Listing, Page
from msearch_client._local_data import open_data
from msearch_client._references import new_request_id, revision_of, with_dataset
from msearch_client._samples import draw_sample
from msearch_client._sketching import SketchCalls
from msearch_client._wire import requests
from msearch_client._wire.catalogue import dataset_from_proto
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace

PAGE_SIZE = 200


class DatasetCalls(SketchCalls):
    """Register, read, change and delete source datasets."""

    def register_dataset(
        self,
        name: str,
        *,
        data: Any = None,
        signatures: Sequence[Signature] = (),
        labels: str | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        space: FeatureSpace | None = None,
        version: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        licence: str = "",
        limit_rows: int | None = None,
        request_id: str | None = None,
        progress: OnProgress | None = None,
    ) -> Dataset:
        """Registers a source dataset: either `data`, which is sketched here, or `signatures` with their `modality`.

        Args:
            name: unique together with the version.
            data: what `sketch` takes. No row of it leaves this machine.
            signatures: made before, each in another feature space.
            labels: column with the classes, so that the signature knows them.
            modality: the kind of data; required with `signatures`, detected from `data`.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            space: the feature space to sketch in; None chooses it as `sketch` does.
            version: "1" if empty.
            description: free text for people.
            tags: any order.
            licence: best as an SPDX identifier.
            limit_rows: sketch at most this many rows.
            request_id: makes the call safe to repeat; chosen by the client if None.
            progress: called with (rows sketched, rows in all or None).

        Raises:
            LocalError: the data cannot be read or sketched.
            AlreadyExistsError: the name and version are taken.
            TypeError: data and signatures are both given, or neither, or signatures without a modality.
        """
        if (data is None) == (not signatures):
            raise TypeError("register_dataset() takes either data or signatures")
        if data is None and modality is None:
            raise TypeError("register_dataset() needs the modality of the signatures")
        if data is not None:
            dataset = self.new_dataset(
                name, data, labels=labels, modality=modality, column=column, ignore=ignore, space=space,
                version=version, description=description, tags=tags, licence=licence,
                limit_rows=limit_rows, progress=progress,
            )  # fmt: skip
        else:
            dataset = NewDataset(
                name=name, version=version, description=description, tags=tuple(tags), licence=licence,
                modality=parse_modality(str(modality)), signatures=tuple(signatures),
            )  # fmt: skip
        request_id = new_request_id() if request_id is None else request_id
        answer = self._transport.call(
            self._transport.registry.RegisterDataset,
            requests.register_dataset(dataset, request_id),
            repeatable=bool(request_id),
        )
        return dataset_from_proto(answer.dataset)

    def get_dataset(self, dataset: DatasetReference) -> Dataset:
        """One dataset, by name (the newest version), "name@version" or id.

        Raises:
            NotFoundError: there is no such dataset.
        """
        return dataset_from_proto(self._get_dataset(dataset, include_signatures=False).dataset)

    def dataset_signatures(self, dataset: DatasetReference) -> tuple[Signature, ...]:
        """The signatures of a dataset, in the order of its `signatures`.

        Raises:
            NotFoundError: there is no such dataset.
        """
        answer = self._get_dataset(dataset, include_signatures=True)
        return tuple(Signature.from_bytes(item.data) for item in answer.signatures)

    def _get_dataset(self, dataset: DatasetReference, *, include_signatures: bool) -> Any:
        return with_dataset(
            dataset,
            lambda reference: self._transport.call(
                self._transport.registry.GetDataset,
                requests.get_dataset(reference, include_signatures=include_signatures),
            ),
        )

    def datasets(self, filter: Filter | None = None, *, page_size: int = PAGE_SIZE) -> Listing[Dataset]:
        """All datasets that match, by name and version. Pages are fetched while iterating.

        Of a filter only modalities, tags, licences and text apply to datasets; others are refused.
        """
        chosen = filter or Filter()

        def fetch(token: str) -> Page[Dataset]:
            request = requests.list_datasets(chosen, page_size, token)
            answer = self._transport.call(self._transport.registry.ListDatasets, request)
            return Page(
                tuple(dataset_from_proto(item) for item in answer.datasets), answer.next_page_token, answer.total_size
            )

        return Listing(fetch)

    def update_dataset(
        self,
        dataset: DatasetReference,
        *,
        description: str | None = None,
        licence: str | None = None,
        tags: Sequence[str] | None = None,
        signatures: Sequence[Signature] = (),
        revision: int | None = None,
        request_id: str | None = None,
    ) -> Dataset:
        """Changes what is said of a dataset (None leaves a field as it is), and adds or replaces signatures.

        Given a dataset that a call returned, or a `revision`, the change is refused if the dataset changed since.

        Raises:
            NotFoundError: there is no such dataset.
            ConflictError: the dataset changed since it was read.
        """
        request_id = new_request_id() if request_id is None else request_id
        answer = with_dataset(
            dataset,
            lambda reference: self._transport.call(
                self._transport.registry.UpdateDataset,
                requests.update_dataset(
                    reference,
                    description=description,
                    licence=licence,
                    tags=tags,
                    signatures=signatures,
                    revision=revision_of(dataset, revision),
                    request_id=request_id,
                ),
                repeatable=bool(request_id),
            ),
        )
        return dataset_from_proto(answer.dataset)

    def put_sample(
        self,
        dataset: DatasetReference,
        data: Any,
        *,
        rows: int = 256,
        labels: str | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        seed: int = 1,
        progress: OnProgress | None = None,
    ) -> Dataset:
        """Stores rows of a dataset with the service, in place of an earlier sample. These rows leave this machine.

        Agents calibrate int8 on them and check outputs; without them they use generated inputs.

        Args:
            dataset: the registered dataset.
            data: what `sketch` takes: the dataset's own rows.
            rows: how many to store; they are chosen by `seed`, every row equally likely.
            labels: column with the classes; None looks for one by its name, "" says that there is none.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out, which then stay here.
            seed: another one chooses other rows.
            progress: called with (rows read, rows in all or None).

        Raises:
            LocalError: the data cannot be read, or the chosen rows are larger than 64 MiB.
            NotFoundError: there is no such dataset.
        """
        opened = open_data(data, modality=modality, column=column, labels=labels, ignore=ignore, progress=progress)
        sample = draw_sample(opened, rows, seed)

        def send(reference: requests.DatasetReference) -> Any:
            def messages() -> Iterator[Any]:
                yield requests.sample_header(reference, sample.description)
                for chunk in sample.encoded.chunks():
                    yield requests.sample_chunk(chunk)

            return self._transport.send(
                self._transport.registry.PutDatasetSample,
                messages,
                repeatable=True,
                timeout_s=self._transport.transfer_timeout_s(sample.description.size_bytes),
            )

        return dataset_from_proto(with_dataset(dataset, send).dataset)

    def delete_sample(self, dataset: DatasetReference) -> Dataset:
        """Removes the stored sample of a dataset; harmless if there is none.

        Raises:
            NotFoundError: there is no such dataset.
        """
        call = self._transport.registry.DeleteDatasetSample
        answer = with_dataset(dataset, lambda it: self._transport.call(call, requests.delete_sample(it)))
        # Not every service says what became of the dataset.
        return dataset_from_proto(answer.dataset) if answer.HasField("dataset") else self.get_dataset(dataset)

    def delete_dataset(
        self, dataset: DatasetReference, *, revision: int | None = None, request_id: str | None = None
    ) -> None:
        """Deletes a dataset. Given one that a call returned, or a `revision`, it is refused if it changed since.

        Raises:
            NotFoundError: there is no such dataset.
            PreconditionFailedError: a model refers to it.
            ConflictError: the dataset changed since it was read.
        """
        request_id = new_request_id() if request_id is None else request_id
        with_dataset(
            dataset,
            lambda reference: self._transport.call(
                self._transport.registry.DeleteDataset,
                requests.delete_dataset(reference, revision_of(dataset, revision), request_id),
                repeatable=bool(request_id),
            ),
        )
