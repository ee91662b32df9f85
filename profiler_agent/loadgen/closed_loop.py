"""Closed loops: a client sends its next request when the last is answered. single_stream, multi_stream, concurrency.

And offline, where all requests wait from the beginning. The compiled model takes one call at a time, so k clients are k
requests in its queue: no thread a client is needed, and none disturbs. Behind a network the model idles while requests
and answers are on the way, as it would.
"""

from __future__ import annotations

import hashlib
import threading
from array import array
from collections import deque
from itertools import islice

import numpy as np

from profiler_agent.loadgen.clock import MONOTONIC, Clock
from profiler_agent.loadgen.network import Journey
from profiler_agent.loadgen.quiet import quiet_interpreter
from profiler_agent.loadgen.requests import Requests
from profiler_agent.loadgen.schedule import MOST_REQUESTS, draw_samples
from profiler_agent.loadgen.target import Target
from profiler_agent.work import Batching, Load, RunLimits, Scenario

GRACE_S = 5.0
_SAMPLES_DRAWN = 1 << 16


def drive_clients(
    target: Target,
    load: Load,
    limits: RunLimits,
    *,
    seed: int,
    grace_s: float = GRACE_S,
    clock: Clock = MONOTONIC,
    journey: Journey | None = None,
) -> Requests:
    """Runs until both the least duration and the least queries are reached, or the longest duration.

    `journey`: the network between clients and target; requests count as scheduled for when they reach the target.
    """
    loop = _Loop(target, load, limits, seed=seed, clock=clock, journey=journey)
    with quiet_interpreter():
        last = clock.now() + round((limits.max_duration_s + grace_s) * 1e9)
        # A hung call is left behind with its thread; whoever called ends the process.
        hung = not clock.start(loop.run).ended_by(last)
    return loop.finish(hung=hung)


class _Loop:
    def __init__(
        self, target: Target, load: Load, limits: RunLimits, *, seed: int, clock: Clock, journey: Journey | None
    ) -> None:
        self._target = target
        self._clock = clock
        self._journey = journey
        self._limits = limits
        self._offline = load.scenario is Scenario.OFFLINE
        self._together = max(load.streams, 1) if load.scenario is Scenario.MULTI_STREAM else 1
        self._clients = max(load.streams, 1) if load.scenario is Scenario.CONCURRENCY else 1
        batching: Batching | None = load.batching
        self._largest = batching.max_batch if batching is not None else 1
        self._longest_wait_ns = batching.max_wait_ns if batching is not None else 0
        self._samples = draw_samples(_SAMPLES_DRAWN, target.samples, np.random.default_rng(seed)).tolist()
        self._columns = {name: array("q") for name in ("scheduled_ns", "started_ns", "finished_ns", "batch_sizes")}
        self._late_ns = array("q")  # of each request behind a network
        self._failed: list[bool] = []
        self._first_error = ""
        self._stopped_early = False
        self._lock = threading.Lock()  # against a reader that gave up on a hung loop

    def run(self) -> None:
        """Sends and answers, in this thread."""
        now, sleep_until = self._clock.now, self._clock.sleeper()
        start = now()
        first = [0] * self._clients
        # When the next request of each client reaches the target.
        waiting = deque(first if self._journey is None else [self._journey.send(moment) for moment in first])
        next_sample = 0
        least_ns, last_ns = self._limits.min_duration_s * 1e9, self._limits.max_duration_s * 1e9
        while True:
            size = min(self._largest, len(waiting))
            if self._journey is not None:
                size, moment = self._next_call(waiting, now() - start)
                if moment >= last_ns:
                    self._stopped_early = True
                    return
                # Waking late is the generator's own delay, and judged as such.
                self._late_ns.extend([sleep_until(start + moment) - start - moment] * size)
            members = [waiting.popleft() for _ in range(size)]
            wanted = size * self._together
            samples = [self._samples[(next_sample + place) % _SAMPLES_DRAWN] for place in range(wanted)]
            next_sample += wanted
            began = now() - start
            error = ""
            try:
                self._target.run(samples)
            except Exception as failure:  # noqa: BLE001 - whatever a model raises fails its request
                error = f"{type(failure).__name__}: {failure}"
            ended = now() - start
            self._note(members, began, ended, error)
            answered = [0 if self._offline else ended] * size
            waiting.extend(answered if self._journey is None else self._sent_again(self._journey, answered))
            if ended >= least_ns and len(self._failed) >= self._limits.min_queries:
                return
            if ended >= last_ns or len(self._failed) >= MOST_REQUESTS:
                self._stopped_early = True
                return

    def _next_call(self, waiting: deque[int], now_ns: int) -> tuple[int, int]:
        """How many requests the next call takes, and when it begins, behind a network.

        A batch is closed when it is full, or its first request has waited for the longest time. Without a network all
        clients wait already, so that nobody else would come.
        """
        closes = max(now_ns, waiting[0] + self._longest_wait_ns)
        arrived = [moment for moment in islice(waiting, self._largest) if moment <= closes]
        return len(arrived), max(now_ns, arrived[-1]) if len(arrived) == self._largest else closes

    @staticmethod
    def _sent_again(journey: Journey, answered: list[int]) -> list[int]:
        """When the next requests of those clients reach the target, which send them once they have their answers."""
        return [journey.send(journey.answer(moment)) for moment in answered]

    def _note(self, members: list[int], began: int, ended: int, error: str) -> None:
        with self._lock:
            for free in members:
                self._columns["scheduled_ns"].append(free)
                self._columns["started_ns"].append(began)
                self._columns["finished_ns"].append(ended)
                self._columns["batch_sizes"].append(len(members))
                self._failed.append(bool(error))
            self._first_error = self._first_error or error

    def finish(self, *, hung: bool) -> Requests:
        """What became of the requests."""
        with self._lock:
            columns = {name: np.array(column, np.int64) for name, column in self._columns.items()}
            sent_ns = columns["scheduled_ns"].copy()
            if self._journey is not None:
                sent_ns += np.array(self._late_ns[: sent_ns.size], np.int64)  # a hung call has no entry but here
            failed = np.array(self._failed, np.bool_)
        order = np.argsort(columns["scheduled_ns"], kind="stable")
        columns = {name: column[order] for name, column in columns.items()} | {"sent_ns": sent_ns[order]}
        digest = hashlib.sha256(np.asarray(self._samples, "<i4").tobytes()).hexdigest()
        return Requests(
            scheduled_ns=columns["scheduled_ns"],
            sent_ns=columns["sent_ns"],
            started_ns=columns["started_ns"],
            finished_ns=columns["finished_ns"],
            batch_sizes=columns["batch_sizes"].astype(np.int32),
            failed=failed[order],
            first_error=self._first_error or ("a call was not answered in time" if hung else ""),
            schedule_digest=digest,
            stopped_early=self._stopped_early or hung,
        )
