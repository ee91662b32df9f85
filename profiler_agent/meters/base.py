"""What a meter is: something read before and after, or during, a run. One file each, with a module-level `METER`.

Every meter reads through a small source that tests replace, so that its arithmetic can be replayed without the device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from profiler_agent.work import InvalidReason, Measurement


class Reading(Protocol):
    """A measurement in progress; belongs to one run."""

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:
        """Ends it. Gives quantities (per inference where the name says so) and rules that the run broke.

        What cannot be measured is a Measurement with source "none" and the reason in `detail`, never a guess.
        """


class Meter(Protocol):
    """Reads one kind of quantity. `start` never raises."""

    @property
    def name(self) -> str: ...

    def start(self, device: str, pid: int) -> Reading:
        """Begins to measure the process `pid`, and the device ("cpu", "cuda:0") where that matters."""
