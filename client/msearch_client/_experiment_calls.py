"""The client's calls about benchmarks."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from msearch_client._errors import LocalError
from msearch_client._experiments import Cell, CellState, Experiment, Submission
from msearch_client._listing import Listing, Page
from msearch_client._references import new_request_id
from msearch_client._transport import Transport
from msearch_client._wire import experiments as wire
from msearch_experiments import Benchmark, BenchmarkError, load_benchmark, parse_benchmark

PAGE_SIZE = 1_000
LOOK_EVERY_S = 1.0
SHARE_OF_LOOKS = 5.0
"""Between two looks at least so many times what the last one took."""

PLANNING_TIMEOUT_S = 300.0
"""A submission may generate hundreds of models before it answers."""

BenchmarkSource: TypeAlias = str | os.PathLike[str] | Mapping[str, Any]
"""The path of a benchmark file, or what would stand in one."""

ExperimentReference: TypeAlias = str | Experiment
"""The id or the digest of an experiment, or one that a call returned."""


class ExperimentCalls:
    """Run benchmark files and follow their experiments."""

    _transport: Transport

    def plan_benchmark(
        self, benchmark: BenchmarkSource, *, confirm: bool = False, fresh: bool = False, allow_waiting: bool = False
    ) -> Submission:
        """What `submit_benchmark` would do; nothing is changed. It raises the same."""
        return self._submit(
            benchmark, dry_run=True, confirm=confirm, fresh=fresh, allow_waiting=allow_waiting, request_id=""
        )

    def submit_benchmark(
        self,
        benchmark: BenchmarkSource,
        *,
        confirm: bool = False,
        fresh: bool = False,
        allow_waiting: bool = False,
        request_id: str | None = None,
    ) -> Submission:
        """Runs a benchmark file: its cells become jobs, save those that are measured, wait or run already.

        Args:
            benchmark: path of the file (docs/benchmarks.md), or a mapping with what would stand in it.
            confirm: accept more than 500 profiles.
            fresh: measure again what is measured already.
            allow_waiting: accept cells that no registered agent could take now.
            request_id: makes the call safe to repeat; chosen by the client if None. "" sends none, and turns retries
                off.

        Raises:
            LocalError: the file cannot be read, or does not follow the schema; `fields` says why.
            InvalidArgumentError: the service refuses the file; `fields` says why.
            NotFoundError: a model is not registered.
            PreconditionFailedError: it asks for many profiles (reason CONFIRMATION_REQUIRED), or no registered agent
                could measure a cell (NO_CAPABLE_AGENT).
            ResourceExhaustedError: the grid is larger than any experiment may be.
        """
        request_id = new_request_id() if request_id is None else request_id
        return self._submit(
            benchmark, dry_run=False, confirm=confirm, fresh=fresh, allow_waiting=allow_waiting, request_id=request_id
        )

    def get_experiment(self, experiment: ExperimentReference) -> Experiment:
        """One experiment as it is now, by id or digest.

        Raises:
            NotFoundError: there is no such experiment.
        """
        request = wire.get_experiment(_id_of(experiment))
        return wire.experiment_from_proto(
            self._transport.call(self._transport.benchmarks.GetExperiment, request).experiment
        )

    def list_experiments(self, *, page_size: int = 20) -> Listing[Experiment]:
        """Experiments, newest first, without their documents. Pages are fetched while iterating."""

        def fetch(token: str) -> Page[Experiment]:
            request = wire.list_experiments(page_size, token)
            answer = self._transport.call(self._transport.benchmarks.ListExperiments, request)
            items = tuple(wire.experiment_from_proto(item) for item in answer.experiments)
            return Page(items, answer.next_page_token, answer.total_size)

        return Listing(fetch)

    def list_cells(
        self, experiment: ExperimentReference, *, state: CellState | str | None = None, page_size: int = PAGE_SIZE
    ) -> Listing[Cell]:
        """The cells of an experiment in the order of its file, with their profiles; of any state where it is None.

        Raises:
            LocalError: there is no such state.
            NotFoundError: there is no such experiment.
        """
        kept = None if state is None else _parse_state(state)

        def fetch(token: str) -> Page[Cell]:
            request = wire.list_cells(_id_of(experiment), kept, page_size, token)
            answer = self._transport.call(self._transport.benchmarks.ListCells, request)
            items = tuple(wire.cell_from_proto(item) for item in answer.cells)
            return Page(items, answer.next_page_token, answer.total_size)

        return Listing(fetch)

    def wait_for_experiment(
        self, experiment: ExperimentReference, *, progress: Callable[[Experiment], object] | None = None
    ) -> Experiment:
        """Waits until an experiment has ended, and returns it; `progress` is told how it stands about once a second.

        Raises:
            NotFoundError: there is no such experiment.
            UnavailableError: the service went away and did not come back within the client's timeout.
        """
        while True:
            asked = time.monotonic()
            found = self.get_experiment(experiment)
            took_s = time.monotonic() - asked
            if progress is not None:
                progress(found)
            if found.ended:
                return found
            # A look at thousands of cells costs the service seconds; most of the time it should do something else.
            time.sleep(max(LOOK_EVERY_S, SHARE_OF_LOOKS * took_s))

    def cancel_experiment(self, experiment: ExperimentReference) -> Experiment:
        """Cancels the jobs of an experiment; what is measured stays. Harmless on one that has ended.

        Raises:
            NotFoundError: there is no such experiment.
        """
        request = wire.cancel_experiment(_id_of(experiment))
        return wire.experiment_from_proto(
            self._transport.call(self._transport.benchmarks.CancelExperiment, request).experiment
        )

    def delete_experiment(self, experiment: ExperimentReference, *, with_profiles: bool = False) -> int:
        """Deletes an experiment that does not run, and says how many profiles went with it.

        Its jobs stay, and so does what they measured, unless `with_profiles`: then the profiles go to which no other
        experiment refers.

        Raises:
            NotFoundError: there is no such experiment.
            PreconditionFailedError: it is running (reason EXPERIMENT_RUNNING): cancel it first.
        """
        request = wire.delete_experiment(_id_of(experiment), with_profiles=with_profiles)
        answer = self._transport.call(self._transport.benchmarks.DeleteExperiment, request)
        return int(answer.deleted_profile_count)

    def _submit(self, benchmark: BenchmarkSource, *, request_id: str, dry_run: bool, **options: bool) -> Submission:
        document = _read(benchmark).model_dump_json(exclude_unset=True)
        request = wire.submit_experiment(document, dry_run=dry_run, request_id=request_id, **options)
        answer = self._transport.call(
            self._transport.benchmarks.SubmitExperiment,
            request,
            repeatable=dry_run or bool(request_id),
            timeout_s=max(self._transport.timeout_s, PLANNING_TIMEOUT_S),
        )
        return wire.submission_from_proto(answer)


def _read(benchmark: BenchmarkSource) -> Benchmark:
    try:
        return parse_benchmark(benchmark) if isinstance(benchmark, Mapping) else load_benchmark(Path(benchmark))
    except BenchmarkError as error:
        hint = "docs/benchmarks.md describes every field"
        raise LocalError(error.message, hint=hint, fields=error.fields) from None


def _parse_state(text: CellState | str) -> CellState:
    try:
        return CellState(text.lower())
    except ValueError:
        raise LocalError(f"cell state {text!r} is unknown", hint=f"known: {', '.join(CellState)}") from None


def _id_of(experiment: ExperimentReference) -> str:
    return experiment if isinstance(experiment, str) else experiment.id
