"""Candidates' outputs on a target, row by row: run on this machine, run by agents, or stored before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from msearch_client._catalogue import Model
from msearch_client._errors import LocalError
from msearch_client._evidence import EvaluationSample, SampleReference
from msearch_client._local_running import OnShare, run_locally
from msearch_client._predicting import LEAST_SHARE
from msearch_client._rankings import FailedModel, Ranking
from msearch_client._reranking import RerankCalls
from msearch_client._sample_bytes import encode_sample
from msearch_running import Outputs
from msearch_sketch import Dataset


@dataclass(frozen=True, slots=True, eq=False)
class CandidateOutputs:
    """Models with what they said of every row of a target. Those in `failed` said nothing, or took too few rows."""

    taken: Sequence[tuple[Model, Outputs]]
    failed: Sequence[FailedModel]
    notices: Sequence[str] = ()


class OutputCalls(RerankCalls):
    """Get what candidates say of a target, row by row."""

    def _outputs_here(
        self, ranking: Ranking, rows: pa.Table, *, artifacts: Path | None, running: OnShare
    ) -> CandidateOutputs:
        """Runs the candidates on this machine; no row leaves it."""
        models = [candidate.model for candidate in ranking]
        runs = run_locally(self, models, rows, artifacts=artifacts, progress=running) if models else []
        failed = [run.failure for run in runs if run.failure is not None]
        return _sort_out([(run.model, run.outputs) for run in runs if run.outputs is not None], failed)

    def _outputs_of_agents(
        self, ranking: Ranking, sample: EvaluationSample, *, allow_waiting: bool, running: OnShare
    ) -> CandidateOutputs:
        """Has agents run the candidates on a stored target; outputs that are stored already are taken as they are."""
        failed = self._run_by_agents(ranking, sample, allow_waiting=allow_waiting, with_noise=False, running=running)
        models = [candidate.model for candidate in ranking if candidate.model.id not in failed]
        return _sort_out([(model, self.download_outputs(model, sample)) for model in models], list(failed.values()))

    def _outputs_stored(self, sample: SampleReference, opened: Dataset, rows: pa.Table) -> CandidateOutputs:
        """Outputs that are stored on a sample of the same rows; nothing is run."""
        stored = self.get_evaluation_sample(sample)
        if stored.row_count != rows.num_rows:
            raise LocalError(
                f"{opened.name} has {rows.num_rows:,} rows, and the sample {stored.id} {stored.row_count:,}",
                hint="give the very rows that were stored as the sample",
            )
        notices = []
        if stored.has_rows and stored.digest != encode_sample(opened, rows).digest:
            notices.append(
                f"the sample {stored.id} was stored from other bytes than {opened.name}: are its rows the same?"
            )
        models = [self.get_model(item.model_id) for item in self.evaluations(sample=stored)]
        found = _sort_out([(model, self.download_outputs(model, stored)) for model in models], [])
        return CandidateOutputs(found.taken, found.failed, notices)


def _sort_out(found: Sequence[tuple[Model, Outputs]], failed: Sequence[FailedModel]) -> CandidateOutputs:
    taken, refused = [], [*failed]
    for model, outputs in found:
        if outputs.kept.mean() >= LEAST_SHARE:
            taken.append((model, outputs))
        else:
            refused.append(_took_too_few(model, outputs))
    return CandidateOutputs(taken, refused)


def _took_too_few(model: Model, outputs: Outputs) -> FailedModel:
    return FailedModel(
        model=f"{model.name}@{model.version}",
        model_id=model.id,
        code="unreadable_rows",
        message=f"it could not read {outputs.skipped:,} of {len(outputs.probabilities):,} rows: {outputs.problem}",
    )
