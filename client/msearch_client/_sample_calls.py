"""The client's calls about the rows that models are run on."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Dataset, Modality, parse_modality
from msearch_client._errors import LocalError
from msearch_client._evidence import EvaluationSample, SampleKind, SampleReference, sample_id_of
from msearch_client._listing import Listing, Page
from msearch_client._local_data import open_data, without_labels
from msearch_client._profile_calls import ProfileCalls
from msearch_client._references import with_dataset
from msearch_client._sample_bytes import encode_points, encode_sample, read_rows
from msearch_client._wire import evidence as wire
from msearch_sketch import Dataset as OpenedDataset

PAGE_SIZE = 200


class SampleCalls(ProfileCalls):
    """Store, list and delete evaluation samples."""

    def put_evaluation_sample(
        self,
        data: Any,
        *,
        dataset: Dataset | str | None = None,
        labels: str | None = None,
        points_only: bool = False,
        keep_s: float | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> EvaluationSample:
        """Stores rows to run models on. These rows leave this machine, unless `points_only` is set.

        Without a dataset they are a target: private to this caller, without labels, and deleted after a while. With
        one they are labelled held-out rows of it, a validation sample, which everybody's models may be run on.

        Args:
            data: what `sketch` takes; at most 100,000 rows and 64 MiB.
            dataset: the source dataset of a validation sample.
            labels: column with the classes of a validation sample; None looks for one by its name.
            points_only: store only the rows' points in the feature space. No agent can run a model on them; their
                outputs are added with `add_outputs`.
            keep_s: how long a target is kept; None for a day, at most 30 days.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out; only the columns with the data, and the labels, are sent in any case.
            limit_rows: take at most this many rows, the first ones.
            progress: called with (rows read, rows in all or None).

        Raises:
            LocalError: the data cannot be read, is too large, or a validation sample has no labels.
            NotFoundError: there is no such dataset, or the space of these columns is not known to the service.
        """
        opened = open_data(
            data, modality=modality, column=column, labels=labels, ignore=ignore, limit_rows=limit_rows,
            progress=progress,
        )  # fmt: skip
        if dataset is None:
            return self._put_target(without_labels(opened), column or "", points_only=points_only, keep_s=keep_s)[0]
        if not opened.labels:
            raise LocalError(
                f"a validation sample needs labels, and {opened.name} has no column that is known to hold them",
                hint="name it with labels or --labels",
            )

        def put(reference: Any) -> EvaluationSample:
            return self._put_sample(
                opened, SampleKind.VALIDATION, reference, column or "", points_only=points_only, keep_s=None
            )[0]

        return with_dataset(dataset, put)

    def _put_target(
        self, opened: OpenedDataset, column: str, *, points_only: bool, keep_s: float | None
    ) -> tuple[EvaluationSample, bytes]:
        """A target, and its signature as the service made it."""
        return self._put_sample(opened, SampleKind.TARGET, None, column, points_only=points_only, keep_s=keep_s)

    def _put_sample(
        self,
        opened: OpenedDataset,
        kind: SampleKind,
        reference: Any,
        column: str,
        *,
        points_only: bool,
        keep_s: float | None,
    ) -> tuple[EvaluationSample, bytes]:
        labelled = kind is SampleKind.VALIDATION
        if points_only:
            content = encode_points(opened, self._find_space(opened, source=False))
        else:
            content = encode_sample(opened, read_rows(opened, labels=labelled))
        header = wire.sample_header(
            kind=kind,
            dataset=reference,
            digest=content.digest,
            size_bytes=len(content.data),
            points=points_only,
            label_column=(opened.labels or "") if labelled else "",
            modality=parse_modality(opened.modality),
            column=column,
            keep_s=keep_s,
        )

        def messages() -> Iterator[Any]:
            yield header
            for chunk in content.chunks():
                yield wire.sample_chunk(chunk)

        answer = self._transport.send(
            self._transport.evaluation.PutEvaluationSample,
            messages,
            repeatable=True,
            timeout_s=self._transport.transfer_timeout_s(len(content.data)),
        )
        return wire.sample_from_proto(answer.sample), answer.signature.data

    def get_evaluation_sample(self, sample: SampleReference) -> EvaluationSample:
        """One sample as it is now.

        Raises:
            NotFoundError: there is none of that id, it is another caller's, or it has expired.
        """
        request = wire.get_sample(sample_id_of(sample))
        answer = self._transport.call(self._transport.evaluation.GetEvaluationSample, request)
        return wire.sample_from_proto(answer.sample)

    def evaluation_samples(
        self,
        *,
        kind: SampleKind | str | None = None,
        dataset: Dataset | str | None = None,
        page_size: int = PAGE_SIZE,
    ) -> Listing[EvaluationSample]:
        """Validation samples, and the caller's own targets, newest first. Pages are fetched while iterating.

        Raises:
            LocalError: there is no such kind.
            NotFoundError: there is no such dataset.
        """
        kept = None if kind is None else parse_kind(kind)
        dataset_id = "" if dataset is None else self.get_dataset(dataset).id

        def fetch(token: str) -> Page[EvaluationSample]:
            request = wire.list_samples(kept, dataset_id, page_size, token)
            answer = self._transport.call(self._transport.evaluation.ListEvaluationSamples, request)
            samples = tuple(wire.sample_from_proto(item) for item in answer.samples)
            return Page(samples, answer.next_page_token, answer.total_size)

        return Listing(fetch)

    def delete_evaluation_sample(self, sample: SampleReference) -> None:
        """Deletes a sample with the outputs on it.

        Raises:
            NotFoundError: as `get_evaluation_sample`.
        """
        request = wire.delete_sample(sample_id_of(sample))
        self._transport.call(self._transport.evaluation.DeleteEvaluationSample, request)


def parse_kind(text: SampleKind | str) -> SampleKind:
    """The kind of that name.

    Raises:
        LocalError: there is no such kind.
    """
    try:
        return SampleKind(text.lower())
    except ValueError:
        raise LocalError(f"sample kind {text!r} is unknown", hint=f"known: {', '.join(SampleKind)}") from None
