"""The agent: registers, takes jobs under a lease, measures or evaluates, reports. Pulls only; nothing connects to it.

It may vanish at any time: what it held is leased to another once the lease has run out, and what it reports after that
is refused. So nothing here is written down before the service has it.
"""

from __future__ import annotations

import errno
import threading
import time
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
import structlog

from msearch.v1 import agent_service_pb2 as agents
from msearch.v1 import profiles_pb2
from profiler_agent import wire
from profiler_agent.connection import Backoff, Connection, describe, is_transient, lease_is_lost, reason_of
from profiler_agent.errors import Cancelled, JobError
from profiler_agent.executor import Executor
from profiler_agent.lease_calls import LeaseCalls
from profiler_agent.leases import LeaseKeeper
from profiler_agent.work import Evaluation, Failure, Profile

WAIT_S = 10.0
"""How long the service may hold an AcquireJob that finds nothing."""

REREGISTER = frozenset({"AGENT_NOT_FOUND", "PERMISSION_DENIED"})
"""Reasons after which the agent registers again: the service forgot it, or its token changed."""

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
"""What the system says where there is no room, or no more for this user."""

Outcome: TypeAlias = tuple[Profile, ...] | Evaluation | Failure

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the agent tells of itself. `description` is the message of RegisterAgent."""

    description: profiles_pb2.Agent
    host_class: str
    host_json: str


class Agent:
    """Works in `capacity` threads until told to stop.

    `once`: ends after one job. `idle_exit_s`: ends after so long without one; 0 never. `release_on_stop`: gives running
    jobs back when stopped, instead of finishing them. `grace_s`: gives them back so long after that; 0 never.
    """

    def __init__(
        self,
        connection: Connection,
        executor: Executor,
        facts: Facts,
        *,
        capacity: int = 1,
        once: bool = False,
        idle_exit_s: float = 0.0,
        release_on_stop: bool = False,
        grace_s: float = 0.0,
    ) -> None:
        self._connection = connection
        self._executor = executor
        self._facts = facts
        self._capacity = capacity
        self._once = once
        self._idle_exit_s = idle_exit_s
        self._release_on_stop = release_on_stop
        self._grace_s = grace_s
        self._stopping = threading.Event()
        self._registering = threading.Lock()
        self._held: dict[str, threading.Event] = {}
        self._releasing = False
        self._waiting: set[Any] = set()
        self._poll_s = 1.0
        self.id = ""

    def register(self) -> str:
        """Registers, however long the service takes to answer; gives the agent's id, "" if it was told to stop.

        Raises:
            grpc.RpcError: the service refuses for good.
        """
        backoff = Backoff(self._stopping)
        while not self._stopping.is_set():
            try:
                answer = self._connection.call(
                    self._connection.stub.RegisterAgent, agents.RegisterAgentRequest(agent=self._facts.description)
                )
            except grpc.RpcError as error:
                if not is_transient(error):
                    raise
                _log.warning("service_not_reached", error=describe(error))
                backoff.wait()
                continue
            self.id = answer.agent.id
            self._poll_s = answer.poll_interval.ToNanoseconds() / 1e9 or self._poll_s
            _log.info("agent_registered", agent_id=self.id, host_class=self._facts.host_class)
            return self.id
        return ""

    def run(self) -> None:
        """Works until `stop`, or until there is nothing more to do. The agent is registered."""
        threads = [
            threading.Thread(target=self._work, name=f"msearch-job-{number}", daemon=True)
            for number in range(self._capacity)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        _log.info("agent_stopped", agent_id=self.id)

    def stop(self) -> None:
        """Takes no more jobs and ends when those it has are finished. Called again, or with `release_on_stop`: gives
        them back at once. Not for signal handlers, which may interrupt what holds its locks: hand it to a thread.
        """
        again = self._stopping.is_set()
        self._stopping.set()
        for call in list(self._waiting):
            call.cancel()
        if again or self._release_on_stop:
            self._give_back()
        elif self._grace_s:
            timer = threading.Timer(self._grace_s, self._give_back)
            timer.daemon = True
            timer.start()

    def _give_back(self) -> None:
        self._releasing = True
        for held in list(self._held.values()):
            held.set()

    def _work(self) -> None:
        backoff = Backoff(self._stopping)
        idle_since = time.monotonic()
        while not self._stopping.is_set():
            try:
                got = self._acquire()
            except grpc.RpcError as error:
                if self._stopping.is_set():
                    return
                if reason_of(error) in REREGISTER:
                    self._register_again()
                else:
                    _log.warning("job_not_acquired", error=describe(error))
                backoff.wait()
                continue
            backoff.reset()
            if got.HasField("lease"):
                self._execute(got)
                idle_since = time.monotonic()
                if self._once:
                    self.stop()
            elif self._idle_exit_s and time.monotonic() - idle_since >= self._idle_exit_s:
                self.stop()
            else:
                self._stopping.wait(self._poll_s)

    def _acquire(self) -> Any:
        wait_s = min(WAIT_S, self._idle_exit_s) if self._idle_exit_s else WAIT_S
        request = agents.AcquireJobRequest(agent_id=self.id, wait=wire.duration(wait_s))
        call = self._connection.begin(self._connection.stub.AcquireJob, request, timeout_s=wait_s + 15.0)
        self._waiting.add(call)
        try:
            if self._stopping.is_set():
                call.cancel()
            return call.result()
        except grpc.FutureCancelledError:
            return agents.AcquireJobResponse()
        finally:
            self._waiting.discard(call)

    def _register_again(self) -> None:
        with self._registering:
            try:
                self.register()
            except grpc.RpcError as error:
                _log.error("agent_refused", error=describe(error))

    def _execute(self, got: Any) -> None:
        lease = wire.read_lease(got.lease)
        log = _log.bind(job_id=lease.job_id, attempt=lease.attempt)
        log.info("job_acquired", model=got.job.model_name)
        stop = threading.Event()
        self._held[lease.job_id] = stop
        # The answer came although the agent is stopping: somebody else shall begin it.
        unwanted = self._stopping.is_set()
        if self._releasing:
            stop.set()
        try:
            with LeaseKeeper(self._connection, lease, stop) as keeper:
                calls = LeaseCalls(self._connection, lease, keeper)
                outcome = None if unwanted else self._do(got, calls, keeper, stop)
                if not keeper.lost:
                    self._end(calls, log, outcome)
                if keeper.lost:
                    log.warning("job_dropped")
        finally:
            del self._held[lease.job_id]

    def _end(self, calls: LeaseCalls, log: Any, outcome: Outcome | None) -> None:
        """Tells the service how the job ended: released, completed, or failed."""
        if outcome is None:
            if not calls.release():
                log.info("job_released")
            return
        if not isinstance(outcome, Failure):
            if isinstance(outcome, Evaluation):
                problem, done = calls.complete_evaluation(outcome), {"rows": len(outcome.outputs.probabilities)}
            else:
                host = {"host_class": self._facts.host_class, "host_json": self._facts.host_json}
                problem, done = calls.complete(outcome, **host), {"profiles": len(outcome)}
            if not problem:
                log.info("job_completed", **done)
                return
            # Silence would let the lease run out and the next agent run into the same.
            outcome = Failure(code="internal", message=f"the service refused the report: {problem}")
        if not calls.fail(outcome):
            log.warning("job_failed", code=outcome.code, message=outcome.message)

    def _do(self, got: Any, calls: LeaseCalls, keeper: LeaseKeeper, stop: threading.Event) -> Outcome | None:
        """What the job gave, or why nothing; None where the job is to be given back."""
        try:
            return self._executor.run(
                wire.read_assignment(got), lambda part: calls.fetch(part, stop), stop, keeper.report, calls.keep_form
            )
        except Cancelled as error:
            if self._releasing and not keeper.cancelled:
                return None
            return Failure(code=error.code, message=error.message)
        except JobError as error:
            return Failure(code=error.code, message=error.message, retry=error.retry)
        except grpc.RpcError as error:
            if lease_is_lost(error):
                keeper.lose()
            return Failure(
                code="internal", message=f"could not fetch what the job needs: {describe(error)}", retry=True
            )
        except Exception as error:  # noqa: BLE001 - the last place where it can be told
            # A full disk, or a defect: the job may do better elsewhere, and the agent goes on.
            if isinstance(error, OSError) and error.errno in FULL:
                name = self._facts.description.name
                problem = f"the disk of agent {name} is full: free some space in its data folder ({error.strerror})"
                return Failure(code="internal", message=problem, retry=True)
            _log.exception("job_broke", job_id=got.job.id)
            return Failure(code="internal", message=f"{type(error).__name__}: {error}", retry=True)
