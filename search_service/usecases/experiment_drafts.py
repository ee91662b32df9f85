"""What the submission of a benchmark file does: worked out before anything is changed, and again while it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from msearch_experiments import Plan
from search_service.domain.errors import NotFound
from search_service.domain.experiments import Cell, CellState, Experiment, ExperimentState, SeenCell
from search_service.domain.ports import UnitOfWork
from search_service.domain.profiling import Agent
from search_service.domain.scheduling import needs_of
from search_service.usecases.benchmark_plans import base_spec, bind, document_of, find_models, read_plan
from search_service.usecases.capability import check_capable
from search_service.usecases.experiment_jobs import PlannedJob, join_cells, reckon_duration
from search_service.usecases.experimenting import Experimenting
from search_service.usecases.experiments import SeenExperiment, see_experiment
from search_service.usecases.search_goals import goal_of
from search_service.usecases.sizes import Sizer
from search_service.usecases.stored_profiles import StoredProfiles


@dataclass(frozen=True, slots=True, kw_only=True)
class SubmitOptions:
    """How a benchmark file is submitted; the meaning of each is in benchmark_service.proto."""

    confirm: bool = False
    fresh: bool = False
    allow_waiting: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a submission does: every cell as it will be, and the jobs for those that are to be measured.

    `before` is the experiment as it is, None for a new one; `after` holds the cells as they will be, new jobs not yet
    given. `running`: positions of those that wait or run already. `missing`: canonical models to be registered first.
    `duration`: until the new jobs have ended, None where no active agent could take one.

    A search submits no jobs by itself: `jobs` then stand for the trials that are left, for an estimate.
    """

    experiment: Experiment
    before: SeenExperiment | None
    plan: Plan
    after: tuple[SeenCell, ...]
    running: frozenset[int]
    jobs: tuple[PlannedJob, ...]
    missing: tuple[str, ...]
    duration: timedelta | None

    @property
    def measured(self) -> frozenset[int]:
        """Positions of the cells that new jobs measure."""
        return frozenset(position for job in self.jobs for position in job.positions)

    @property
    def searches(self) -> bool:
        """Whether an optimiser chooses what is measured."""
        return self.plan.benchmark.search is not None

    @property
    def kept(self) -> frozenset[int]:
        """Positions of the cells that keep a stored profile."""
        return frozenset(cell.cell.position for cell in self.after if cell.state is CellState.MEASURED)

    @property
    def as_it_is(self) -> SeenExperiment:
        """The experiment before the submission; a new one has all its cells open."""
        if self.before is not None:
            return self.before
        return SeenExperiment(
            experiment=self.experiment,
            state=ExperimentState.RUNNING,
            cells=tuple(SeenCell(cell=seen.cell, state=CellState.OPEN) for seen in self.after),
            job_count=0,
            ended_at=None,
        )


def draft(work: Experimenting, unit: UnitOfWork, plan: Plan, options: SubmitOptions, *, lock: bool = False) -> Draft:
    """What the submission of a plan does; with `lock` the experiment stays as it is until the unit of work ends.

    Raises:
        InvalidArgument: a field of a job is wrong, or a model has no artifact.
        NotFound: MODEL_NOT_FOUND.
        PreconditionFailed: NO_CAPABLE_AGENT unless `allow_waiting`; NAME_TAKEN for a canonical model.
    """
    profiling = work.profiling
    known: Experiment | None
    try:
        known = unit.experiments.find(plan.digest)
        known = unit.experiments.lock(known.id) if lock else known
    except NotFound:
        known = None
    before: SeenExperiment | None = None
    if known is not None:
        # The cells stand in the order of the file that came first; one of the same meaning may have another.
        plan = replace(read_plan(known.document, confirmed=True), benchmark=plan.benchmark)
        before = see_experiment(unit, known)
    models = find_models(unit, plan)
    base = base_spec(plan.benchmark)
    agents = unit.agents.all()
    stored = StoredProfiles(unit, base, agents, profiling.clock(), profiling.gone_after)
    bound = [bind(cell, position, models) for position, cell in enumerate(plan.cells)]
    after = [_keep(cell, before, stored, fresh=options.fresh) for cell in bound]
    wanted = [seen.cell for seen in after if seen.state is CellState.OPEN]
    sizer = Sizer(unit)
    jobs = join_cells(base, wanted, lambda spec: sizer.estimate(spec)[1].seconds)
    if not options.allow_waiting:
        _check_capable(work, jobs, agents)
    needed = {cell.model_name for cell in wanted if not cell.model_id}
    if plan.benchmark.search is not None:
        goal_of(plan.benchmark.search)
        work.optimiser.check()
        asked = sum(bool(seen.cell.job_id) for seen in after)
        left = max(plan.benchmark.search.trials - asked, 0)
        jobs = join_cells(base, wanted[:left], lambda spec: sizer.estimate(spec)[1].seconds)
        needed = set()
    experiment = known or Experiment(
        id="",
        digest=plan.digest,
        name=plan.benchmark.name,
        document=document_of(plan.benchmark),
        submitted_by="",
        created_at=profiling.clock(),
    )
    return Draft(
        experiment=experiment,
        before=before,
        plan=plan,
        after=tuple(after),
        running=frozenset(seen.cell.position for seen in after if seen.state.active),
        jobs=tuple(jobs),
        missing=tuple(name for name, model in models.items() if model is None and name in needed),
        duration=reckon_duration(jobs, agents, profiling.clock(), profiling.gone_after),
    )


def _keep(cell: Cell, before: SeenExperiment | None, stored: StoredProfiles, *, fresh: bool) -> SeenCell:
    """The cell with the job that it has, or a profile that answers it; open where it is to be measured."""
    was = before.cells[cell.position] if before is not None else None
    if was is not None and was.cell.model_id == cell.model_id:
        if was.state.active:
            return was
        if not fresh and was.state is CellState.MEASURED and was.profile and stored.is_current(was.profile):
            return was
    unregistered = bool(cell.model_name) and not cell.model_id
    found = None if fresh or unregistered else stored.find(cell)
    if found is None:
        return SeenCell(cell=cell, state=CellState.OPEN)
    return SeenCell(cell=replace(cell, profile_id=found.id), state=CellState.MEASURED, profile=found)


def _check_capable(work: Experimenting, jobs: Sequence[PlannedJob], agents: Sequence[Agent]) -> None:
    checked: set[frozenset[str]] = set()
    for job in jobs:
        needs = needs_of(job.spec)
        if needs not in checked:
            check_capable(job.spec, agents, work.profiling.clock(), work.profiling.gone_after)
            checked.add(needs)
