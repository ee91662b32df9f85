"""Open loop: requests are sent when they are due, whatever is unanswered.

One thread issues, others answer. What lies between them is a queue in C, so that handing a request over is one call;
the issuing thread does nothing else and never waits for an answer. Latency counts from the scheduled time, so a target
that stalls is charged for every request that had to wait meanwhile (no coordinated omission).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

import numpy as np

from profiler_agent.loadgen.clock import first_in_line, make_sleep_until, precise_timers
from profiler_agent.loadgen.quiet import quiet_interpreter
from profiler_agent.loadgen.requests import Log, Requests
from profiler_agent.loadgen.schedule import Schedule
from profiler_agent.loadgen.target import Target
from profiler_agent.work import Batching

LEAD_NS = 20_000_000
"""Between the start of the threads and the first request."""

GRACE_S = 5.0
"""How long answers are waited for after the longest duration."""

MOST_IN_FLIGHT = 100_000
_LOOKS = 16
"""The cap on requests in flight is looked at once in so many requests."""


def drive_schedule(
    target: Target,
    schedule: Schedule,
    *,
    max_duration_s: float,
    batching: Batching | None = None,
    workers: int = 1,
    most_in_flight: int = MOST_IN_FLIGHT,
    grace_s: float = GRACE_S,
) -> Requests:
    """Sends the schedule's requests and waits for the answers, at most `max_duration_s` and a grace.

    `workers` threads call the target, one call each at a time; a compiled model takes one.
    """
    run = _Run(target, schedule, batching)
    threads = [threading.Thread(target=run.answer, name="msearch-load", daemon=True) for _ in range(workers)]
    with quiet_interpreter():
        for thread in threads:
            thread.start()
        with first_in_line():
            sent = run.issue(max_duration_s, most_in_flight)
        for _ in threads:
            run.queue.put(None)
        # A hung call is left behind with its thread; whoever called ends the process.
        last_ns = run.start_ns + round((max_duration_s + grace_s) * 1e9)
        for thread in threads:
            thread.join(max(last_ns - time.monotonic_ns(), 0) / 1e9)
    return run.finish(sent, hung=any(thread.is_alive() for thread in threads))


class _Run:
    def __init__(self, target: Target, schedule: Schedule, batching: Batching | None) -> None:
        self._target = target
        self._schedule = schedule
        self._batching = batching if batching is not None and batching.max_batch > 1 else None
        self._log = Log.of(schedule.offsets_ns)
        self._samples = schedule.samples.tolist()
        self._answered = 0  # by all workers; only looked at roughly, for the cap
        self._capped = self._stopped_early = False
        self.queue: SimpleQueue[int | None] = SimpleQueue()
        self.start_ns = 0

    def issue(self, max_duration_s: float, most_in_flight: int) -> int:
        """Sends each request when it is due. Gives how many were sent."""
        precise_timers()
        offsets = self._schedule.offsets_ns.tolist()
        sleep_until, put, sent = make_sleep_until(), self.queue.put, self._log.sent
        start = self.start_ns = time.monotonic_ns() + LEAD_NS
        last = round(max_duration_s * 1e9)
        for number, offset in enumerate(offsets):
            if offset > last:
                self._stopped_early = True
                return number
            sent[number] = sleep_until(start + offset) - start
            put(number)
            if number % _LOOKS == 0 and number - self._answered > most_in_flight:
                self._capped = True
                return number + 1
        return len(offsets)

    def answer(self) -> None:
        """Answers requests until there are no more."""
        if self._batching is None:
            self._answer_each()
        else:
            self._answer_batches(self._batching)

    def _answer_each(self) -> None:
        get, run, samples, now = self.queue.get, self._target.run, self._samples, time.monotonic_ns
        started, finished = self._log.started, self._log.finished
        while (number := get()) is not None:
            start = self.start_ns
            started[number] = now() - start
            try:
                run((samples[number],))
            except Exception as error:  # noqa: BLE001 - whatever a model raises fails its request
                self._fail((number,), error)
            finished[number] = now() - start
            self._answered += 1

    def _answer_batches(self, batching: Batching) -> None:
        now = time.monotonic_ns
        while (members := self._collect(batching, self.queue.get)) is not None:
            start = self.start_ns
            began = now() - start
            try:
                self._target.run([self._samples[number] for number in members])
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(members, error)
            ended = now() - start
            for number in members:
                self._log.started[number], self._log.finished[number] = began, ended
                self._log.batch[number] = len(members)
            self._answered += len(members)

    def _collect(self, batching: Batching, get: Callable[..., int | None]) -> list[int] | None:
        """The next batch: what comes within the longest wait of the first, up to the largest size."""
        first = get()
        if first is None:
            return None
        members = [first]
        deadline = self.start_ns + self._log.sent[first] + batching.max_wait_ns
        while len(members) < batching.max_batch:
            left_ns = deadline - time.monotonic_ns()
            try:
                number = get(timeout=left_ns / 1e9) if left_ns > 0 else get(block=False)
            except Empty:
                break
            if number is None:
                self.queue.put(None)  # for the next round
                break
            members.append(number)
        return members

    def _fail(self, numbers: tuple[int, ...] | list[int], error: Exception) -> None:
        for number in numbers:
            self._log.failed[number] = True
        self._log.fail(error)

    def finish(self, sent: int, *, hung: bool) -> Requests:
        """What became of the requests that were sent."""
        arrays = self._log.arrays
        unanswered = arrays["finished_ns"][:sent] == 0
        if unanswered.any():
            arrays["failed"][:sent] |= unanswered
            if hung:
                self._log.fail(f"{int(np.count_nonzero(unanswered))} requests were not answered in time")
        return self._log.requests(
            sent,
            capped=self._capped,
            stopped_early=self._stopped_early or hung,
            schedule_digest=self._schedule.digest,
        )
