"""The client's comparison of a target with the data a model was built on."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Collection
from typing import Any

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Modality
from msearch_client._datasets import DatasetCalls
from msearch_client._drifts import ClassShift, Drift, Outlier
from msearch_client._errors import LocalError
from msearch_client._local_data import explain_sketch_errors, open_data
from msearch_sketch import Dataset, default_space, sketch
from msearch_sketch import drift as comparing
from msearch_sketch.labelled_points import LabelledPoints, read_labelled_points
from msearch_sketch.readers.tables import StreamSource
from msearch_sketch.signature import Signature
from msearch_sketch.spaces import FeatureSpace

_log = logging.getLogger("msearch_client")


class DriftCalls(DatasetCalls):
    """Has a target moved away from its base?"""

    def drift(
        self,
        target: Any,
        base: Any = None,
        *,
        dataset: str | None = None,
        labels: str | None = None,
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        alpha: float = 0.01,
        seed: int = 0,
        progress: OnProgress | None = None,
    ) -> Drift:
        """Compares a target with its base: data at hand, or a registered dataset.

        With the rows of both, the test is a permutation test, whose false alarms are at most `alpha`, and nothing is
        asked of the service. With a registered dataset, or signatures, the test sees less: it takes a larger drift, or
        more rows. Both take rows for independent; frames of one film are not, and alarm too often.

        Args:
            target: what `sketch` takes, or a signature.
            base: the same; None with `dataset`.
            dataset: name, "name@version" or id of a registered dataset to compare with instead.
            labels: column with the classes, in target and base; None looks for one by its name in each, "" says that
                there is none.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: read at most this many rows of each.
            alpha: how often "moved" may be said of rows that have not, from 0.001.
            seed: of the permutations.
            progress: called with (rows read, rows in all or None).

        Raises:
            LocalError: the data cannot be read, target and base do not compare, or there are fewer than five rows.
            NotFoundError: there is no such dataset.
            TypeError: base and dataset are both given, or neither.
        """
        if (base is None) == (dataset is None):
            raise TypeError("drift() takes either base or dataset")

        def read(data: Any) -> Dataset:
            opened = open_data(data, modality=modality, column=column, labels=labels, ignore=ignore,
                               limit_rows=limit_rows, progress=progress)  # fmt: skip
            if isinstance(opened.source, StreamSource):
                raise LocalError("a stream can be read only once, and this needs to read it again", hint="save it")
            return opened

        if dataset is not None:
            own = target if isinstance(target, Signature) else read(target)
            return self._compare_with_signature(own, self._signature_of(dataset, own), dataset, alpha)
        if isinstance(base, Signature):
            own = target if isinstance(target, Signature) else read(target)
            return self._compare_with_signature(own, base, "the base's signature", alpha)
        if isinstance(target, Signature):
            raise LocalError("a target's signature compares with a base's signature or a registered dataset only")
        return _compare_data(read(target), read(base), alpha, seed)

    def _signature_of(self, dataset: str, target: Dataset | Signature) -> Signature:
        """The dataset's signature that compares with the target."""
        found = self.dataset_signatures(dataset)
        if isinstance(target, Signature):
            fitting = [item for item in found if item.space_digest == target.space_digest]
            if not fitting:
                raise LocalError(f"the dataset {dataset} has no signature in the target's feature space")
            return fitting[0]
        for item in found:
            space = self.get_space(item.space_digest).feature_space
            if space.modality == target.modality:
                return item
        raise LocalError(f"the dataset {dataset} has no signature of {target.modality} data")

    def _compare_with_signature(
        self, target: Dataset | Signature, base: Signature, base_name: str, alpha: float
    ) -> Drift:
        points: LabelledPoints | None = None
        space: FeatureSpace | None = None
        if isinstance(target, Signature):
            signature, name = target, "the target's signature"
        else:
            space = self.get_space(base.space_digest).feature_space
            signature, points = _read(target, space)
            name = target.name
        with explain_sketch_errors():
            found = comparing.compare_signatures(signature, base, space=space, rows=points, alpha=alpha)
        return _to_record(found, name, base_name)


def _compare_data(target: Dataset, base: Dataset, alpha: float, seed: int) -> Drift:
    with explain_sketch_errors():
        # A space that is fitted belongs to the base: the target is seen on its scale.
        space = default_space(base)
    base_signature, base_points = _read(base, space)
    signature, points = _read(target, space)
    with explain_sketch_errors():
        found = comparing.compare_rows(points, base_points, (signature, base_signature), alpha=alpha, seed=seed)
    return _to_record(found, target.name, base.name)


def _read(dataset: Dataset, space: FeatureSpace) -> tuple[Signature, LabelledPoints]:
    with explain_sketch_errors():
        signature = sketch(dataset, space).signature
        points = read_labelled_points(dataset, space)
    if points.problem:
        _log.warning("%s: rows are left out: %s", dataset.name, points.problem)
    return signature, points


def _to_record(found: comparing.Drift, target: str, base: str) -> Drift:
    values = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    values |= {
        "class_shifts": tuple(ClassShift(s.name, s.base, s.target, s.p_value) for s in found.class_shifts),
        "outliers": tuple(Outlier(o.row, o.distance) for o in found.outliers),
    }
    for name in ("coverage", "coverage_of_base"):
        values[name] = None if math.isnan(values[name]) else values[name]
    return Drift(target=target, base=base, **values)
