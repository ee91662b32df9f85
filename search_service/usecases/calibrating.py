"""Use case: plan the evaluations that teach the accuracy predictor most within a time, and submit them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from search_service.domain.access import Caller
from search_service.domain.catalog import Filter, Model
from search_service.domain.errors import PreconditionFailed, Reason
from search_service.domain.jobs import Job
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent, AgentState
from search_service.usecases.evaluate_jobs import Order, Wish, submit_evaluation
from search_service.usecases.evaluation_options import Options, estimate, look, weigh
from search_service.usecases.evaluation_value import Choice, choose_evaluations
from search_service.usecases.evidence import Evidence, check_may_publish
from search_service.usecases.fields import invalid
from search_service.usecases.once import Once, run_once
from search_service.usecases.placing import Placer
from search_service.usecases.predictors import PredictorInUse

LONGEST_BUDGET_S = 30 * 86_400.0
MOST_PLANNED = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What to plan: seconds that all may take together on the agents there are, and which models may take part."""

    budget_s: float
    filter: Filter
    dry_run: bool = False
    allow_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEvaluation:
    """A model to run on a sample. `value` is relative to the most valuable one; `job_id` is empty on a dry run."""

    model_id: str
    model_name: str
    sample_id: str
    dataset_id: str
    value: float
    estimate_s: float
    job_id: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """What was planned, most valuable first; `left_out` more would be possible."""

    planned: tuple[PlannedEvaluation, ...] = ()
    left_out: int = 0
    notices: tuple[str, ...] = ()


def calibrate(
    evidence: Evidence, predictor: PredictorInUse, caller: Caller, request_id: str, wanted: Wanted
) -> Calibration:
    """Plans, and unless it is a dry run submits one job for each evaluation. Repeated, it answers the same.

    Raises:
        InvalidArgument: the budget is not above 0, or above 30 days.
        PermissionDenied: it needs the role publisher.
        PreconditionFailed: NO_CAPABLE_AGENT, no agent runs any of the models' formats, unless `allow_waiting`.
    """
    check_may_publish(caller, "calibrating")
    if not 0 < wanted.budget_s <= LONGEST_BUDGET_S:
        raise invalid("budget", f"must be above 0 and at most 30 days, not {wanted.budget_s:g} s")
    if wanted.dry_run:
        with evidence.database.begin() as unit:
            return _plan(evidence, predictor, unit, wanted)

    def act(unit: UnitOfWork) -> tuple[str, Calibration]:
        plan = _plan(evidence, predictor, unit, wanted)
        placer, agents = Placer(evidence.profiling, unit), unit.agents.all()
        kept = []
        # In one order of models, so that two calls at once do not wait for each other.
        for one in sorted(plan.planned, key=lambda one: one.model_id):
            sample = unit.evaluation_samples.get(one.sample_id)
            order = Order(
                evidence=evidence,
                caller=caller,
                sample=sample,
                modality=unit.spaces.get(sample.space_digest).modality,
                wish=Wish(allow_waiting=wanted.allow_waiting),
                agents=agents,
            )
            found = submit_evaluation(order, unit, placer, one.model_id)
            if isinstance(found, Job):  # else it turns out that it cannot be run, or need not
                kept.append(replace(one, job_id=found.id))
        planned = tuple(sorted(kept, key=lambda one: -one.value))
        done = Calibration(planned=planned, left_out=plan.left_out, notices=plan.notices)
        return _written(done), done

    once = Once.of("Calibrate", request_id, wanted)
    return run_once(evidence.registry, once, act, lambda _unit, text: _read(text))


def _plan(evidence: Evidence, predictor: PredictorInUse, unit: UnitOfWork, wanted: Wanted) -> Calibration:
    options = look(unit, wanted.filter, evidence.registry.clock())
    if not options.models or not options.samples:
        return Calibration(notices=options.notices)
    agents = _present(evidence, unit.agents.all())
    parallel = sum(agent.capacity for agent in agents if agent.evaluates) or 1
    weights = weigh(unit, predictor, options)
    possible = int(np.count_nonzero(weights))
    runnable = [wanted.allow_waiting or _is_offered(model, agents) for model in options.models]
    if possible and not np.count_nonzero(weights[runnable]):
        problem = "no registered agent runs models of these formats in evaluate jobs: start one, or allow jobs to wait"
        if wanted.dry_run:
            return Calibration(left_out=possible, notices=(*options.notices, problem))
        raise PreconditionFailed(problem, Reason.NO_CAPABLE_AGENT)
    weights[~np.array(runnable)] = 0
    seconds = estimate(unit, options)
    chosen = choose_evaluations(
        weights,
        seconds,
        of_models=options.of_models,
        on_samples=options.on_samples,
        budget_s=wanted.budget_s * parallel,
        most=MOST_PLANNED,
    )
    notices = list(options.notices)
    if possible and not chosen:
        notices.append(
            f"the shortest evaluation takes about {float(seconds[weights > 0].min()):.0f} s: raise the budget"
        )
    if not possible:
        notices.append("there is nothing left to evaluate: all models were run on all samples that they fit")
    best = max((choice.value for choice in chosen), default=1.0)
    return Calibration(
        planned=tuple(_planned(options, choice, best) for choice in sorted(chosen, key=lambda one: -one.value)),
        left_out=possible - len(chosen),
        notices=tuple(notices),
    )


def _present(evidence: Evidence, agents: Sequence[Agent]) -> list[Agent]:
    now, gone_after = evidence.profiling.clock(), evidence.profiling.gone_after
    return [agent for agent in agents if agent.state(now, gone_after) is not AgentState.GONE]


def _is_offered(model: Model, agents: Sequence[Agent]) -> bool:
    return any(model.artifact.format in agent.evaluates for agent in agents)


def _planned(options: Options, choice: Choice, best: float) -> PlannedEvaluation:
    model, sample = options.models[choice.model], options.samples[choice.sample]
    return PlannedEvaluation(
        model_id=model.id,
        model_name=f"{model.name}@{model.version}",
        sample_id=sample.id,
        dataset_id=sample.dataset_id,
        value=choice.value / best,
        estimate_s=choice.seconds,
    )


def _written(done: Calibration) -> str:
    """For a repeated call, which answers the same."""
    return json.dumps(asdict(done))


def _read(text: str) -> Calibration:
    read = json.loads(text)
    planned = tuple(PlannedEvaluation(**one) for one in read["planned"])
    return Calibration(planned=planned, left_out=read["left_out"], notices=tuple(read["notices"]))
