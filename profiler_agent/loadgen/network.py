"""The network between clients and model, simulated: the way of each request to the model, and of its answer back.

Requests travel over one link, answers over another: bytes one after another at the link's bandwidth, and each message
half of the round trip longer. The model's side is measured for real, at the times at which requests arrive there, and a
request that waits for the link is charged for it like one that waits for the model: response latency counts from when
the client was to send it to when its answer has arrived. In a closed loop a client sends its next request when it has
its answer, so the time that both are on the way passes for real.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from profiler_agent.loadgen.requests import Requests, Times
from profiler_agent.work import InvalidReason, Network

_NS_PER_MS = 1e6
_BITS = 8


@dataclass(frozen=True, slots=True)
class Link:
    """One direction: messages take `send_ns` each, one after another, and then `delay_ns` until they arrive."""

    send_ns: int
    delay_ns: int

    @classmethod
    def of(cls, mbit_per_s: float, size_bytes: float, round_trip_ms: float) -> Link:
        """A link for messages of that size; a bandwidth of 0 is unlimited."""
        send_ns = size_bytes * _BITS * 1e3 / mbit_per_s if mbit_per_s else 0.0
        return cls(round(send_ns), round(round_trip_ms * _NS_PER_MS / 2))

    def deliver(self, departures_ns: Times) -> Times:
        """When messages that leave at these times arrive, in nanoseconds, in the order given. [n]

        The link serves them as they come: end(i) = max(departure(i), end(i - 1)) + send, which unrolled is
        max over j <= i of (departure(j) - j send) + (i + 1) send.
        """
        order = np.argsort(departures_ns, kind="stable")
        steps = np.arange(order.size, dtype=np.int64) * self.send_ns
        ends = np.maximum.accumulate(departures_ns[order] - steps) + steps + self.send_ns
        arrivals = np.empty_like(ends)
        arrivals[order] = ends + self.delay_ns
        return arrivals


class _Way:
    """A link that is asked message by message, in the order in which they leave."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._free_ns = 0

    def deliver(self, departure_ns: int) -> int:
        self._free_ns = max(departure_ns, self._free_ns) + self._link.send_ns
        return self._free_ns + self._link.delay_ns


class Journey:
    """The network of one run. Requests have `request_bytes`, answers `response_bytes` each.

    An open loop asks `arrive` once, for all of its schedule; a closed one `send` and `answer`, request by request.
    """

    def __init__(self, network: Network, request_bytes: float, response_bytes: float) -> None:
        self._up = Link.of(network.up_mbit_per_s, request_bytes, network.round_trip_ms)
        self._down = Link.of(network.down_mbit_per_s, response_bytes, network.round_trip_ms)
        self._there, self._back = _Way(self._up), _Way(self._down)
        self._drawn_ns: Times = np.empty(0, np.int64)
        self._sent_ns: list[int] = []

    def arrive(self, departures_ns: Times) -> Times:
        """When requests that clients send at these times, ascending, arrive at the model. [n]"""
        self._drawn_ns = departures_ns
        return self._up.deliver(departures_ns)

    def send(self, departure_ns: int) -> int:
        """When the request that a client sends at that time arrives at the model; none was sent later."""
        self._sent_ns.append(departure_ns)
        return self._there.deliver(departure_ns)

    def answer(self, finished_ns: int) -> int:
        """When the answer that the model gives at that time arrives at its client; none was given later."""
        return self._back.deliver(finished_ns)

    def as_clients_see(self, requests: Requests) -> Requests:
        """The requests from their sending by a client to the arrival of their answers; failed ones have none."""
        departures = np.array(self._sent_ns, np.int64) if self._sent_ns else self._drawn_ns
        departures = departures[: requests.count]
        answered = ~requests.failed
        finished_ns = requests.finished_ns.copy()
        finished_ns[answered] = self._down.deliver(requests.finished_ns[answered])
        # What the generator was late by, it was late by at the client's.
        sent_ns = departures + requests.dispatch_ns
        return replace(requests, scheduled_ns=departures, sent_ns=sent_ns, finished_ns=finished_ns)

    def overload(self) -> tuple[InvalidReason, ...]:
        """Says so where an open loop sent a link more than it carries: what waits for it then grows for ever.

        A closed loop cannot, since its clients wait for their answers.
        """
        span_ns = int(np.ptp(self._drawn_ns)) if self._drawn_ns.size else 0
        return tuple(
            InvalidReason(
                "unsteady",
                f"{way} carries {1e9 / link.send_ns:,.4g} messages of this size a second, "
                f"{self._drawn_ns.size / span_ns * 1e9:,.4g} were sent",
            )
            for way, link in (("the link to the model", self._up), ("the link to the clients", self._down))
            if span_ns and link.send_ns * self._drawn_ns.size > span_ns
        )
