"""Open loop: requests are sent when they are due, whatever is unanswered.

One thread issues, others answer. What lies between them is a queue in C, so that handing a request over is one call;
the issuing thread does nothing else and never waits for an answer. Latency counts from the scheduled time, so a target
that stalls is charged for every request that had to wait meanwhile (no coordinated omission).
"""

from __future__ import annotations

from profiler_agent.loadgen.clock import MONOTONIC, Clock, Queue
from profiler_agent.loadgen.quiet import quiet_interpreter
from profiler_agent.loadgen.requests import Log, Requests
from profiler_agent.loadgen.schedule import Schedule
from profiler_agent.loadgen.target import Target
from profiler_agent.work import Batching

LEAD_NS = 20_000_000
"""Between the start of the threads and the first request."""

GRACE_S = 5.0
"""How long a call that is under way is waited for after the longest duration."""

MOST_IN_FLIGHT = 10_000
_LOOKS = 16
"""The cap on requests in flight is looked at once in so many requests."""

_END = -1


def drive_schedule(
    target: Target,
    schedule: Schedule,
    *,
    max_duration_s: float,
    batching: Batching | None = None,
    workers: int = 1,
    most_in_flight: int = MOST_IN_FLIGHT,
    grace_s: float = GRACE_S,
    clock: Clock = MONOTONIC,
) -> Requests:
    """Sends the schedule's requests and waits for the answers, at most `max_duration_s` and a grace.

    `workers` threads call the target, one call each at a time; a compiled model takes one. Once the cap on requests in
    flight or the longest duration is reached, nothing more is sent and what waits is dropped, so that no call is under
    way when this returns, but for one that hangs: it is left behind with its thread, and the process should end.
    """
    run = _Run(target, schedule, batching, clock)
    with quiet_interpreter():
        tasks = [clock.start(run.answer) for _ in range(workers)]
        with clock.first_in_line():
            run.issue(max_duration_s, most_in_flight)
        for _ in tasks:
            run.queue.put(_END)
        last = run.start_ns + round(max_duration_s * 1e9)
        if not all(task.ended_by(last) for task in tasks):
            run.give_up()
        for task in tasks:
            task.ended_by(last + round(grace_s * 1e9))
    return run.finish()


class _Run:
    def __init__(self, target: Target, schedule: Schedule, batching: Batching | None, clock: Clock) -> None:
        self._target = target
        self._schedule = schedule
        self._batching = batching if batching is not None and batching.max_batch > 1 else None
        self._clock = clock
        self._log = Log.of(schedule.offsets_ns)
        self._samples = schedule.samples.tolist()
        self._sent = 0
        self._given_up = self._capped = self._stopped_early = False
        self.queue: Queue = clock.queue()
        self.start_ns = 0

    def issue(self, max_duration_s: float, most_in_flight: int) -> None:
        """Sends each request when it is due."""
        offsets = self._schedule.offsets_ns.tolist()
        sleep_until, put, waiting, sent = self._clock.sleeper(), self.queue.put, self.queue.qsize, self._log.sent
        start = self.start_ns = self._clock.now() + LEAD_NS
        last = round(max_duration_s * 1e9)
        for number, offset in enumerate(offsets):
            if offset >= last:
                self._stopped_early = True
                return
            sent[number] = sleep_until(start + offset) - start
            put(number)
            self._sent = number + 1
            if number % _LOOKS == 0 and waiting() >= most_in_flight:
                self._capped = self._given_up = True
                return

    def give_up(self) -> None:
        """Drops what waits, at the longest duration."""
        self._given_up = True
        self._stopped_early = self._stopped_early or not self._capped

    def answer(self) -> None:
        """Answers requests until there are no more."""
        if self._batching is None:
            self._answer_each()
        else:
            self._answer_batches(self._batching)

    def _answer_each(self) -> None:
        get, run, samples, now = self.queue.get, self._target.run, self._samples, self._clock.now
        started, finished = self._log.started, self._log.finished
        while (number := get()) != _END:
            if self._given_up:
                continue
            start = self.start_ns
            started[number] = now() - start
            try:
                run((samples[number],))
            except Exception as error:  # noqa: BLE001 - whatever a model raises fails its request
                self._fail((number,), error)
            finished[number] = now() - start

    def _answer_batches(self, batching: Batching) -> None:
        now = self._clock.now
        while members := self._collect(batching):
            if self._given_up:
                continue
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

    def _collect(self, batching: Batching) -> list[int]:
        """The next batch: what comes within the longest wait of the first, up to the largest size. Empty at the end."""
        first = self.queue.get()
        if first == _END:
            return []
        members = [first]
        deadline = self.start_ns + self._log.sent[first] + batching.max_wait_ns
        while len(members) < batching.max_batch and not self._given_up:
            number = self.queue.get_until(deadline)
            if number == _END:
                self.queue.put(_END)  # for the next round
            if number is None or number == _END:
                break
            members.append(number)
        return members

    def _fail(self, numbers: tuple[int, ...] | list[int], error: Exception) -> None:
        for number in numbers:
            self._log.failed[number] = True
        self._log.fail(error)

    def finish(self) -> Requests:
        """What became of the requests that were sent."""
        # A copy: a call that hangs may still write to the log.
        return self._log.requests(
            self._sent,
            ended_ns=self._clock.now() - self.start_ns,
            capped=self._capped,
            stopped_early=self._stopped_early,
            schedule_digest=self._schedule.digest,
        )
