"""Starts a labelling session on what candidates say of a target."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy import TargetEvidence
from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Filter, Modality
from msearch_client._errors import LocalError
from msearch_client._evidence import SampleReference
from msearch_client._labelling import LabellingSession
from msearch_client._local_data import open_data, without_labels
from msearch_client._local_running import OnShare, unheard
from msearch_client._obtaining_outputs import CandidateOutputs, OutputCalls
from msearch_client._predicting import evidence_of
from msearch_client._sample_bytes import read_rows
from msearch_client._searching import OrderBy
from msearch_running.outputs import common_rows
from msearch_sketch import Points


class LabellingCalls(OutputCalls):
    """Find the best of several candidates with few labels."""

    def start_labelling(
        self,
        target: Any,
        *,
        k: int = 10,
        local: bool = True,
        sample: SampleReference | None = None,
        labels_file: str | os.PathLike[str] | None = None,
        confidence: float = 0.95,
        tolerance: float = 0.01,
        f1: str = "",
        filter: Filter | None = None,
        order_by: OrderBy = (),
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        keep_s: float | None = None,
        allow_waiting: bool = False,
        artifacts: Path | None = None,
        progress: OnProgress | None = None,
        running: OnShare | None = None,
    ) -> LabellingSession:
        """Gets what the candidates say of each row of the target, and asks which rows to label.

        It begins with the accuracies that the service's predictor foretells, worked out here.

        The `k` best candidates of a search run on this machine, and no row leaves it. With `local=False` agents run
        them, and the rows are stored with the service as a target of this caller. With `sample` nothing is run: all
        models with outputs on that sample take part, added with `add_outputs` or run there before.

        The rows' own labels, if there is a column with them, are not looked at.

        Args:
            target: what `sketch` takes, at most 100,000 rows.
            k: how many candidates to tell apart, at least two.
            local: run them here.
            sample: a sample of these very rows that this caller stored; `k`, `local`, `filter` and `order_by` then
                say nothing.
            labels_file: .csv, .json or .parquet, where answers are saved, and taken from if it is there.
            confidence: at which one candidate wins.
            tolerance: how far below the best a winner may be.
            f1: judge by the F1 of this class instead of accuracy.
            filter: which models may take part.
            order_by: how the candidates are chosen; empty for the service's default.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: take at most this many rows, the first ones.
            keep_s: with `local=False`, how long the service keeps the rows; None for a day.
            allow_waiting: with `local=False`, accept jobs although no registered agent could take them now.
            artifacts: with `local`, the folder for artifacts; None for the user's.
            progress: called with (rows read, rows in all or None).
            running: called with (share done, what is being done).

        Raises:
            LocalError: the data or the file cannot be read, no agent could run a candidate now, or fewer than two
                candidates can be run and compared.
            NotFoundError: no source with the target's schema was ever registered, or there is no such sample.
        """
        report = running or unheard
        opened = without_labels(
            open_data(target, modality=modality, column=column, ignore=ignore, limit_rows=limit_rows, progress=progress)
        )
        rows = read_rows(opened, labels=False)
        signature, points = self._look_at(opened)
        if sample is not None:
            found = self._outputs_stored(sample, opened, rows)
        elif local:
            ranking = self.search(signature, filter=filter, order_by=order_by, top=max(k, 2))
            found = self._outputs_here(ranking, rows, artifacts=artifacts, running=report)
        else:
            if not allow_waiting:
                self._check_agents("--local or local=True")
            ranking = self.search(signature, filter=filter, order_by=order_by, top=max(k, 2))
            stored, _ = self._put_target(opened, column or "", points_only=False, keep_s=keep_s)
            found = self._outputs_of_agents(ranking, stored, allow_waiting=allow_waiting, running=report)
        kept = _choose_rows(found, points)
        sources = self._source_signatures([model for model, _ in found.taken], signature.space_digest)
        return LabellingSession(
            rows,
            [
                evidence_of(model, outputs.probabilities[kept], sources.get(model.dataset_id))
                for model, outputs in found.taken
            ],
            {model.id: f"{model.name}@{model.version}" for model, _ in found.taken},
            kept=kept,
            target=TargetEvidence(points.ticks[kept[points.kept]]),
            predictor=self.download_predictor()[0],
            f1=f1,
            confidence=confidence,
            tolerance=tolerance,
            labels_file=labels_file,
            failed=found.failed,
            notices=found.notices,
        )


def _choose_rows(found: CandidateOutputs, points: Points) -> NDArray[np.bool_]:
    """The rows that all candidates could read, and that have a point. [n]"""
    if len(found.taken) < 2:
        reasons = "; ".join(f"{item.model}: {item.message}" for item in found.failed[:3])
        raise LocalError(
            f"labels tell candidates apart, and of {len(found.taken) + len(found.failed)} only {len(found.taken)} "
            "could be run" + (f" ({reasons})" if reasons else "")
        )
    kept = common_rows([outputs for _, outputs in found.taken]) & points.kept
    if not kept.any():
        raise LocalError("there is no row that all candidates could read")
    return kept
