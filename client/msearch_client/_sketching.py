"""From data on this machine to a signature in the right feature space."""

from __future__ import annotations

import logging
from collections.abc import Collection, Sequence
from typing import Any

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Modality, NewDataset
from msearch_client._errors import NotFoundError
from msearch_client._local_data import explain_sketch_errors, open_data, without_labels
from msearch_client._spaces import SpaceCalls
from msearch_sketch import Dataset, sketch
from msearch_sketch.featurisers import default_featuriser
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace, digest_schema

_log = logging.getLogger("msearch_client")


class SketchCalls(SpaceCalls):
    """Sketch data; the service is asked only for spaces that are tied to a schema."""

    def sketch(
        self,
        data: Any,
        *,
        modality: Modality | str | None = None,
        column: str | None = None,
        labels: str | None = None,
        ignore: Collection[str] = (),
        space: FeatureSpace | None = None,
        source: bool = False,
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> Signature:
        """The signature of a dataset. The rows stay on this machine.

        Rows that cannot be read are left out, with a warning of the logger "msearch_client"; many are an error.

        Args:
            data: path of a file or image folder, Arrow table or stream, pandas or polars frame, or an opened
                `msearch_sketch.Dataset`.
            modality: the kind of data; detected if None.
            column: column with the data, where several would do.
            labels: column with the classes; None looks for one by its name, "" says that there is none. Where one is
                found by its name, the classes enter the signature of a source only.
            ignore: columns to leave out.
            space: the feature space; None takes the built-in one of the modality, or the one that the service has
                for these columns.
            source: whether this is data that a model was trained on: where the service has no space for these
                columns yet, one is fitted to the data and registered. For a target that would be useless: nothing
                could be compared with it.
            limit_rows: sketch at most this many rows, the first ones.
            progress: called with (rows read, rows in all or None).

        Raises:
            LocalError: the data cannot be read or sketched.
            NotFoundError: the space of these columns is not known to the service, and `source` is false.
        """
        opened = open_data(
            data,
            modality=modality,
            column=column,
            labels=labels,
            ignore=ignore,
            limit_rows=limit_rows,
            progress=progress,
        )
        if not source and not labels:
            opened = without_labels(opened)
        return self._sketch_opened(opened, space, source=source)

    def new_dataset(
        self,
        name: str,
        data: Any,
        *,
        labels: str | None = None,
        ignore: Collection[str] = (),
        modality: Modality | str | None = None,
        column: str | None = None,
        space: FeatureSpace | None = None,
        version: str = "",
        description: str = "",
        tags: Sequence[str] = (),
        licence: str = "",
        limit_rows: int | None = None,
        progress: OnProgress | None = None,
    ) -> NewDataset:
        """A source dataset, sketched but not yet registered: `register_model` takes it and registers both in one step.

        Raises:
            LocalError: the data cannot be read or sketched.
        """
        opened = open_data(
            data,
            modality=modality,
            column=column,
            labels=labels,
            ignore=ignore,
            limit_rows=limit_rows,
            progress=progress,
        )
        return NewDataset(
            name=name,
            version=version,
            description=description,
            tags=tuple(tags),
            licence=licence,
            modality=Modality(opened.modality),
            signatures=(self._sketch_opened(opened, space, source=True),),
        )

    def space_for(
        self,
        data: Any,
        *,
        modality: Modality | str | None = None,
        column: str | None = None,
        labels: str | None = None,
        ignore: Collection[str] = (),
        source: bool = False,
        limit_rows: int | None = None,
    ) -> FeatureSpace:
        """The feature space in which `sketch` would sketch the data; the arguments mean the same.

        Raises:
            LocalError: the data cannot be read.
            NotFoundError: the space of these columns is not known to the service, and `source` is false.
        """
        opened = open_data(data, modality=modality, column=column, labels=labels, ignore=ignore, limit_rows=limit_rows)
        return self._find_space(opened, source=source)

    def _find_space(self, dataset: Dataset, *, source: bool) -> FeatureSpace:
        with explain_sketch_errors():
            featuriser = default_featuriser(dataset.modality)
            space = featuriser.fixed_space(dataset.columns)
        if space is not None:
            return self._make_known(space) if source else space
        schema = dataset.columns.schema
        name = f"{featuriser.name}@{featuriser.version}"
        try:
            return self.get_space(schema_digest=digest_schema(schema), featuriser=name).feature_space
        except NotFoundError as error:
            if not source:
                columns = ", ".join(f"{column} ({kind})" for column, kind in schema)
                raise NotFoundError(
                    f"no model here was trained on data with the columns of {dataset.name}: {columns}",
                    reason=error.reason,
                    request_id=error.request_id,
                    hint="register a model with its source dataset first; column names and types must be the same",
                ) from None
        with explain_sketch_errors():
            fitted = featuriser.fit_space(dataset.columns, dataset.batches(columns=dataset.columns.names))
        return self.register_space(fitted).feature_space

    def _make_known(self, space: FeatureSpace) -> FeatureSpace:
        """Registers a data-independent space that the service has not met, such as embeddings of a new length."""
        try:
            return self.get_space(space.digest).feature_space
        except NotFoundError:
            return self.register_space(space).feature_space

    def _sketch_opened(self, dataset: Dataset, space: FeatureSpace | None, *, source: bool) -> Signature:
        chosen = space or self._find_space(dataset, source=source)
        with explain_sketch_errors():
            result = sketch(dataset, chosen)
        if result.skipped:
            total = result.rows + result.skipped
            _log.warning("%s: %d of %d rows are left out: %s", dataset.name, result.skipped, total, result.problem)
        return result.signature
