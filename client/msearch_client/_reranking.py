"""Runs the most adaptive candidates on the target, and ranks them by the accuracy that their outputs foretell."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from msearch_client._agent_calls import AgentCalls
from msearch_client._agents import AgentState
from msearch_client._artifacts import OnProgress
from msearch_client._behaving import behave_locally, behaviour_scores
from msearch_client._catalogue import Filter, Modality, Model
from msearch_client._constraints import Constraint, make_profile_options
from msearch_client._errors import JobFailedError, LocalError, NotFoundError
from msearch_client._evaluation_calls import EvaluationCalls
from msearch_client._evaluations import AccuracyPrediction
from msearch_client._evidence import EvaluationSample, Submitted
from msearch_client._loads import Load
from msearch_client._local_data import open_data, without_labels
from msearch_client._local_running import OnShare, run_locally, unheard
from msearch_client._predicting import predict_locally
from msearch_client._rankings import Candidate, FailedModel, Question, Ranking, ScoreValue, WeightedScore
from msearch_client._sample_bytes import read_rows
from msearch_client._searching import MOST_A_PAGE, OrderBy, SearchCalls, make_question, weigh
from msearch_sketch import Dataset, Points, Signature, project

PREDICTED = "predicted_accuracy"


class RerankCalls(SearchCalls, EvaluationCalls, AgentCalls):
    """Rank candidates by their predicted accuracy on a target."""

    def rerank(
        self,
        target: Any,
        *,
        k: int = 10,
        local: bool = False,
        filter: Filter | None = None,
        order_by: OrderBy = (),
        scores: Sequence[str] = (),
        explain: bool = False,
        require: str | Constraint | Sequence[str | Constraint] = (),
        load: str | Load | None = None,
        host_class: str = "",
        modality: Modality | str | None = None,
        column: str | None = None,
        ignore: Collection[str] = (),
        limit_rows: int | None = None,
        keep_s: float | None = None,
        with_noise: bool = False,
        allow_waiting: bool = False,
        artifacts: Path | None = None,
        progress: OnProgress | None = None,
        running: OnShare | None = None,
    ) -> Ranking:
        """Runs the `k` best candidates of a search on the target and ranks these by predicted accuracy.

        By default agents run them: the target's rows are stored with the service for a day, for this caller alone.
        With `local` they run on this machine, with the same code, and no row leaves it.

        Candidates that cannot be run, or fail, are in the ranking's `failed`; they do not fail the others.

        Args:
            target: what `sketch` takes, at most 100,000 rows.
            k: how many candidates to run.
            local: run them here.
            filter: which models may take part.
            order_by: how the candidates to run are chosen; empty for the service's default, adaptivity.
            scores: further scores to compute and show, behaviour scores such as "atc" among them.
            explain: also say what speaks for and against each prediction.
            require: limits on what was measured, as in `search`.
            load: the load that the limits are about.
            host_class: only profiles of host classes that begin so.
            modality: how to read the data; detected if None.
            column: column with the data, where several would do.
            ignore: columns to leave out.
            limit_rows: take at most this many rows, the first ones.
            keep_s: how long the service keeps the rows; None for a day.
            with_noise: also run each candidate with noise on its weights, for the score "worst_noise".
            allow_waiting: accept jobs although no registered agent could take them now, and wait for one.
            artifacts: with `local`, the folder for artifacts; None for the user's.
            progress: called with (rows read, rows in all or None).
            running: called with (share done, what is being done).

        Raises:
            LocalError: the data cannot be read, or is too large; or no agent could run a candidate now.
            NotFoundError: no source with the target's schema was ever registered.
            InvalidArgumentError: a score, a filter or a limit is wrong.
        """
        report = running or unheard
        if k < 1:
            raise LocalError(f"k must be 1 or more, not {k}")
        opened = without_labels(
            open_data(target, modality=modality, column=column, ignore=ignore, limit_rows=limit_rows, progress=progress)
        )
        question = make_question(
            filter, order_by, scores, explain=explain, profiles=make_profile_options(require, load, host_class)
        )
        if local:
            return self._rerank_here(opened, k, question, with_noise=with_noise, artifacts=artifacts, running=report)
        if not allow_waiting:
            self._check_agents("--local or local=True")
        sample, encoded = self._put_target(opened, column or "", points_only=False, keep_s=keep_s)
        signature = Signature.from_bytes(encoded)
        question = replace(question, sample_id=sample.id)
        ranking = self._rank(signature, question, k)
        if not ranking.candidates:
            return ranking
        failed = self._run_by_agents(
            ranking, sample, allow_waiting=allow_waiting, with_noise=with_noise, running=report
        )
        return self._ask_again(signature, question, ranking, failed)

    def _check_agents(self, instead: str) -> None:
        """Before rows are sent for nothing; `instead` is how to do without agents."""
        if not any(agent.evaluates and agent.state is AgentState.ACTIVE for agent in self.list_agents()):
            raise LocalError(
                "no registered agent could run a model now, so no row was sent",
                hint=f"start one with `msearch-agent`, or run it on this machine with {instead}",
            )

    def _run_by_agents(
        self, ranking: Ranking, sample: EvaluationSample, *, allow_waiting: bool, with_noise: bool, running: OnShare
    ) -> dict[str, FailedModel]:
        """Has agents run the candidates on a sample, and waits; gives why models have no outputs, by id."""
        submitted = self.evaluate(
            [candidate.model for candidate in ranking], sample, allow_waiting=allow_waiting, with_noise=with_noise
        )
        return self._wait_for_outputs(submitted, ranking, running)

    def _wait_for_outputs(self, submitted: Submitted, ranking: Ranking, running: OnShare) -> dict[str, FailedModel]:
        """Waits for all jobs; gives why models have no outputs, by id."""
        names = {item.model.id: f"{item.model.name}@{item.model.version}" for item in ranking}
        failed = {
            item.model_id: FailedModel(
                model=names.get(item.model_id, item.model_id), model_id=item.model_id, code=item.code,
                message=item.message,
            )
            for item in submitted.refused
        }  # fmt: skip
        for place, job in enumerate(submitted.jobs):
            last = job
            for last in self.watch_job(job):
                done = place + (1.0 if last.ended else last.progress.fraction)
                words = last.progress.message or ("waits for an agent" if last.state == "pending" else str(last.state))
                running(done / len(submitted.jobs), f"{last.model_name}: {words}")
            if last.state != "succeeded":
                code = "cancelled" if last.failure is None else last.failure.code
                message = JobFailedError(last).message if last.failure is None else last.failure.message
                model_id = last.spec.model_id
                failed[model_id] = FailedModel(model=last.model_name, model_id=model_id, code=code, message=message)
        return failed

    def _ask_again(
        self, signature: Signature, question: Question, first: Ranking, failed: dict[str, FailedModel]
    ) -> Ranking:
        """The same candidates, by what their outputs foretell."""
        wanted = {candidate.model.id for candidate in first} - set(failed)
        shown = tuple(name for name in first.score_names if name != PREDICTED)
        again = replace(question, order_by=weigh(PREDICTED), scores=shown)
        for top in (MOST_A_PAGE, None):
            answer = self._rank(signature, again, top)
            found = [candidate for candidate in answer if candidate.model.id in wanted]
            if len(found) == len(wanted) or not answer.next_page_token:
                break
        judged = [item for item in found if item.prediction is not None and item.prediction.accuracy is not None]
        refused = {item.model.id: _refused(item) for item in found if item not in judged}
        return replace(
            answer,
            candidates=_renumbered(judged),
            total=len(judged),
            failed=tuple((failed | refused).values()),
            unmeasured=first.unmeasured,
            unmeasured_total=first.unmeasured_total,
            exclusions=first.exclusions,
            next_page_token="",
        )

    def _rerank_here(
        self,
        opened: Dataset,
        k: int,
        question: Question,
        *,
        with_noise: bool,
        artifacts: Path | None,
        running: OnShare,
    ) -> Ranking:
        signature, points = self._look_at(opened)
        behaviour = [name for name in question.scores if name in behaviour_scores()]
        by_signature = tuple(name for name in question.scores if name not in behaviour)
        ranking = self._rank(signature, replace(question, scores=by_signature), k)
        if not ranking.candidates:
            return ranking
        predictor, info = self.download_predictor()
        rows = read_rows(opened, labels=False)
        models = [candidate.model for candidate in ranking]
        runs = run_locally(self, models, rows, with_noise=with_noise, artifacts=artifacts, progress=running)
        sources = self._source_signatures(models, ranking.space_digest)
        predictions = predict_locally(predictor, info.version, runs, points, sources, explain=question.explain)
        values = behave_locally(behaviour, runs, points) if behaviour else {}
        failed = [run.failure for run in runs if run.failure is not None]
        judged = []
        for candidate in ranking:
            prediction = predictions.get(candidate.model.id)
            if prediction is None:
                continue
            foretold = _foretold(candidate, prediction, values.get(candidate.model.id, ()))
            if prediction.accuracy is None:
                failed.append(_refused(foretold))
            else:
                judged.append(foretold)
        judged.sort(key=lambda item: -item.ranking_value)
        return replace(
            ranking,
            candidates=_renumbered(judged),
            total=len(judged),
            order_by=(WeightedScore(PREDICTED),),
            failed=tuple(failed),
            next_page_token="",
        )

    def _look_at(self, opened: Dataset) -> tuple[Signature, Points]:
        """Sketches a target, and projects its rows one by one."""
        space = self._find_space(opened, source=False)
        return self._sketch_opened(opened, space, source=False), project(opened, space)

    def _source_signatures(self, models: Sequence[Model], space_digest: str) -> dict[str, Signature]:
        """The models' sources in the target's space, by dataset id; without those that were deleted meanwhile."""
        found = {}
        for dataset_id in {model.dataset_id for model in models if model.dataset_id}:
            try:
                signatures = self.dataset_signatures(dataset_id)
            except NotFoundError:
                continue
            for signature in signatures:
                if signature.space_digest == space_digest:
                    found[dataset_id] = signature
        return found


def _foretold(candidate: Candidate, prediction: AccuracyPrediction, values: tuple[ScoreValue, ...]) -> Candidate:
    return replace(
        candidate,
        scores=(*candidate.scores, *values),
        prediction=prediction,
        ranking_value=prediction.accuracy or 0.0,
    )


def _refused(candidate: Candidate) -> FailedModel:
    """A candidate that ran, and whose outputs foretell nothing."""
    prediction = candidate.prediction
    notices = () if prediction is None else prediction.notices
    model = candidate.model
    return FailedModel(
        model=f"{model.name}@{model.version}",
        model_id=model.id,
        code="not_predicted",
        message="; ".join(notices) or "its accuracy cannot be predicted",
    )


def _renumbered(candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return tuple(replace(candidate, rank=rank) for rank, candidate in enumerate(candidates, 1))
