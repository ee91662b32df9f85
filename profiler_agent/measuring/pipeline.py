"""The way around the model: of a request over a simulated network to it, and of its answer back.

Requests travel over one link, answers over another: bytes one after another at the link's bandwidth, and each message
half of the round trip longer. The model's side is measured for real, at the times at which requests arrive there. So a
network costs no measuring time and disturbs nothing, and a request that waits for the link is charged for it like one
that waits for the model: response latency counts from when the client was to send it to when its answer has arrived.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


class Journey:
    """The network of one run. Requests have `request_bytes`, answers `response_bytes` each."""

    def __init__(self, network: Network, request_bytes: float, response_bytes: float) -> None:
        self._up = Link.of(network.up_mbit_per_s, request_bytes, network.round_trip_ms)
        self._down = Link.of(network.down_mbit_per_s, response_bytes, network.round_trip_ms)
        self._departures_ns: Times = np.empty(0, np.int64)

    def arrive(self, departures_ns: Times) -> Times:
        """When requests that clients send at these times, ascending, arrive at the model. [n]"""
        self._departures_ns = departures_ns
        return self._up.deliver(departures_ns)

    def as_clients_see(self, requests: Requests) -> Requests:
        """The requests from their sending by a client to the arrival of their answers; failed ones have none."""
        answered = ~requests.failed
        finished_ns = requests.finished_ns.copy()
        finished_ns[answered] = self._down.deliver(requests.finished_ns[answered])
        return replace(requests, scheduled_ns=self._departures_ns[: requests.count], finished_ns=finished_ns)

    def overload(self) -> tuple[InvalidReason, ...]:
        """Says so where a link was sent more than it carries: what waits for it then grows for as long as the run."""
        span_ns = int(np.ptp(self._departures_ns)) if self._departures_ns.size else 0
        return tuple(
            InvalidReason(
                "unsteady",
                f"{way} carries {1e9 / link.send_ns:,.4g} messages of this size a second, "
                f"{self._departures_ns.size / span_ns * 1e9:,.4g} were sent",
            )
            for way, link in (("the link to the model", self._up), ("the link to the clients", self._down))
            if span_ns and link.send_ns * self._departures_ns.size > span_ns
        )


def bytes_of(tensors: Mapping[str, NDArray[Any]]) -> int:
    """Bytes of the tensors of a message; what an encoding adds is left out."""
    return sum(tensor.nbytes for tensor in tensors.values())
