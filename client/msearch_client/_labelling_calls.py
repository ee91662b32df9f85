"""Starts a labelling session: runs the best candidates on a target, here."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Filter, Modality
from msearch_client._errors import LocalError
from msearch_client._labelling import LabellingSession
from msearch_client._local_data import open_data, without_labels
from msearch_client._local_running import LocalRun, OnShare, run_locally
from msearch_client._models import ModelCalls
from msearch_client._predicting import LEAST_SHARE, evidence_of
from msearch_client._rankings import FailedModel
from msearch_client._sample_bytes import read_rows
from msearch_client._searching import OrderBy, SearchCalls
from msearch_running.outputs import common_rows


class LabellingCalls(SearchCalls, ModelCalls):
    """Find the best of several candidates with few labels."""

    def start_labelling(
        self,
        target: Any,
        *,
        k: int = 10,
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
        artifacts: Path | None = None,
        progress: OnProgress | None = None,
        running: OnShare | None = None,
    ) -> LabellingSession:
        """Runs the `k` best candidates of a search on the target, on this machine, and asks which rows to label.

        No row leaves this machine. The rows' own labels, if there is a column with them, are not looked at.

        Args:
            target: what `sketch` takes, at most 100,000 rows.
            k: how many candidates to tell apart, at least two.
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
            artifacts: the folder for artifacts; None for the user's.
            progress: called with (rows read, rows in all or None).
            running: called with (share done, what is being done).

        Raises:
            LocalError: the data or the file cannot be read, or fewer than two candidates can be run and compared.
            NotFoundError: no source with the target's schema was ever registered.
        """
        opened = without_labels(
            open_data(target, modality=modality, column=column, ignore=ignore, limit_rows=limit_rows, progress=progress)
        )
        rows = read_rows(opened, labels=False)
        space = self._find_space(opened, source=False)
        ranking = self.search(
            self._sketch_opened(opened, space, source=False), filter=filter, order_by=order_by, top=max(k, 2)
        )
        models = [candidate.model for candidate in ranking]
        runs = run_locally(self, models, rows, artifacts=artifacts, progress=running) if models else []
        taken = [run for run in runs if run.outputs is not None and run.outputs.kept.mean() >= LEAST_SHARE]
        failed = tuple(run.failure or _took_too_few(run) for run in runs if run not in taken)
        if len(taken) < 2:
            reasons = "; ".join(f"{item.model}: {item.message}" for item in failed[:3])
            raise LocalError(
                f"labels tell candidates apart, and of {len(models)} only {len(taken)} could be run"
                + (f" ({reasons})" if reasons else "")
            )
        kept = common_rows([run.outputs for run in taken if run.outputs is not None])
        if not kept.any():
            raise LocalError("there is no row that all candidates could read")
        return LabellingSession(
            rows,
            [evidence_of(run.model, run.outputs.probabilities[kept], None) for run in taken if run.outputs is not None],
            {run.model.id: f"{run.model.name}@{run.model.version}" for run in taken},
            kept=np.asarray(kept, bool),
            f1=f1,
            confidence=confidence,
            tolerance=tolerance,
            labels_file=labels_file,
            failed=failed,
        )


def _took_too_few(run: LocalRun) -> FailedModel:
    outputs = run.outputs
    assert outputs is not None  # noqa: S101 - a run without outputs says why itself
    return FailedModel(
        model=f"{run.model.name}@{run.model.version}",
        model_id=run.model.id,
        code="unreadable_rows",
        message=f"it could not read {outputs.skipped:,} of {len(outputs.probabilities):,} rows: {outputs.problem}",
    )
