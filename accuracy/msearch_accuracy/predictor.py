"""The accuracy predictor as it is kept: both forms, records of known models, and how two predictors are mixed."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError
from msearch_accuracy.form_predictor import FORMS, Form, FormPredictor, mix_regressions, read_regressions
from msearch_accuracy.pair_features import PAIR_FEATURES
from msearch_accuracy.records import Record, describe_record, read_record, record_arrays
from msearch_accuracy.row_features import FEATURES
from msearch_accuracy.stacking import Moments, describe_moments, read_moments

__all__ = ["FORMS", "Form", "FormPredictor", "Predictor", "blend"]

FORMAT_VERSION = 3
LARGEST_FILE_BYTES = 32 << 20
LEAST_PAIRS = 20
"""Cross-evaluations below which a predictor is not to be trusted."""
_HALF_TRUSTED = 100.0
"""Independent cross-evaluations of a registry with which its own predictor weighs as much as the default.

Settled on held-out validation samples of the example zoo, apart by people, tasks and documents (docs/predictor.md).
"""


@dataclass(frozen=True, slots=True, eq=False)
class Predictor:
    """Both forms; `workloads` names what it was fitted on.

    `records`: how the models known by name did elsewhere. `moments`, one a workload: how their outputs go together.
    """

    forms: Mapping[Form, FormPredictor]
    workloads: tuple[str, ...]
    records: tuple[Record, ...] = ()
    moments: tuple[Moments, ...] = ()

    @property
    def trusted(self) -> bool:
        """Whether there was enough evidence; below it, rank by adaptivity and say so."""
        return all(form.pairs >= LEAST_PAIRS for form in self.forms.values())

    def encode(self) -> bytes:
        """A compressed .npz with JSON metadata; no object arrays."""
        arrays: dict[str, NDArray[Any]] = {}
        meta: dict[str, Any] = {"format": FORMAT_VERSION, "features": list(FEATURES), "workloads": self.workloads}
        meta["forms"] = {}
        meta["records"] = [describe_record(record) for record in self.records]
        for place, record in enumerate(self.records):
            arrays |= record_arrays(record, f"record.{place}.")
        meta["moments"] = [describe_moments(moments) for moments in self.moments]
        for place, moments in enumerate(self.moments):
            arrays |= {f"moments.{place}.gram": moments.gram, f"moments.{place}.moment": moments.moment}
        for name, form in self.forms.items():
            arrays[f"{name}.typical"] = form.typical
            for place, (forest, _) in enumerate(form.forests):
                arrays |= forest.arrays(f"{name}.{place}.")
            for place, (forest, _) in enumerate(form.leads):
                arrays |= forest.arrays(f"{name}.lead.{place}.")
            meta["forms"][name] = {
                "weights": [weight for _, weight in form.forests],
                "lead_weights": [weight for _, weight in form.leads],
                "lead_share": form.lead_share,
                "widths": dict(form.widths),
                "pairs": form.pairs,
                "independent": form.independent,
            }
        arrays["meta"] = np.frombuffer(json.dumps(meta, sort_keys=True).encode(), np.uint8)
        stream = io.BytesIO()
        np.savez_compressed(stream, allow_pickle=False, **arrays)
        return stream.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Predictor:
        """Reads what `encode` gave; nothing is unpickled.

        Raises:
            AccuracyError: the bytes are no predictor, or one of another version.
        """
        if len(data) > LARGEST_FILE_BYTES:
            raise AccuracyError(f"the predictor takes {len(data)} bytes, at most {LARGEST_FILE_BYTES} are allowed")
        try:
            with zipfile.ZipFile(io.BytesIO(data)) as archive:
                if sum(entry.file_size for entry in archive.infolist()) > 4 * LARGEST_FILE_BYTES:
                    raise AccuracyError("the predictor is too large when unpacked")
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            meta = json.loads(arrays["meta"].tobytes())
            if meta["format"] != FORMAT_VERSION:
                raise AccuracyError(f"predictor format {meta['format']} is unknown, this is {FORMAT_VERSION}; refit it")
            if meta["features"] != list(FEATURES):
                raise AccuracyError("the predictor was fitted on other features than this version computes; refit it")
            forms: dict[Form, FormPredictor] = {}
            for name in FORMS:
                told = meta["forms"][name]
                typical = np.asarray(arrays[f"{name}.typical"], np.float32)
                if typical.shape != (len(FEATURES),):
                    raise AccuracyError("the predictor's typical values are corrupt")
                forests = read_regressions(arrays, f"{name}.", told["weights"], len(FEATURES))
                leads = read_regressions(arrays, f"{name}.lead.", told["lead_weights"], len(PAIR_FEATURES))
                widths = {kind: float(width) for kind, width in told["widths"].items()}
                counts = int(told["pairs"]), float(told["independent"])
                forms[name] = FormPredictor(forests, leads, float(told["lead_share"]), typical, widths, *counts)
            records = tuple(read_record(told, arrays, f"record.{place}.") for place, told in enumerate(meta["records"]))
            moments = tuple(
                read_moments(told, arrays[f"moments.{place}.gram"], arrays[f"moments.{place}.moment"])
                for place, told in enumerate(meta["moments"])
            )
            return cls(forms, tuple(meta["workloads"]), records, moments)
        except (ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, zipfile.BadZipFile) as error:
            raise AccuracyError(f"these bytes are no predictor: {error}") from None


def blend(default: Predictor, own: Predictor, share: float | None = None) -> Predictor:
    """Mixes a predictor fitted on a registry's own evidence with the default, which loses weight as evidence grows.

    The own one weighs n / (n + 100), n its cross-evaluations with rows that samples share counted once: samples of
    the same few documents, however many, tell little of the next document. `share`: another weight of it, in (0, 1).
    """
    forms: dict[Form, FormPredictor] = {}
    for name in FORMS:
        first, second = default.forms[name], own.forms[name]
        weight = second.independent / (second.independent + _HALF_TRUSTED) if share is None else share
        widths = {
            kind: (1 - weight) * first.widths.get(kind, 1.0)
            + weight * second.widths.get(kind, first.widths.get(kind, 1.0))
            for kind in {*first.widths, *second.widths}
        }
        typical = ((1 - weight) * first.typical + weight * second.typical).astype(np.float32)
        forms[name] = FormPredictor(
            mix_regressions(first.forests, second.forests, weight),
            mix_regressions(first.leads, second.leads, weight),
            (1 - weight) * first.lead_share + weight * second.lead_share,
            typical,
            widths,
            first.pairs + second.pairs,
            first.independent + second.independent,
        )
    return Predictor(
        forms,
        (*default.workloads, *own.workloads),
        (*default.records, *own.records),
        (*default.moments, *own.moments),
    )
