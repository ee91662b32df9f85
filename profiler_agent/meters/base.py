"""What a meter is: something read before and after, or during, a run. One file each, with a module-level `METER`.

Every meter reads through a small source that tests replace (a root folder, a GPU, a clock, a sampler), so that its
arithmetic can be replayed without the device.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from profiler_agent.work import InvalidReason, Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class MeterSetting:
    """What is measured, and where.

    `device` ("cpu", "cuda:0") runs the model, `pid` is the process that does. `price_table` replaces the shipped one;
    `host_class` finds the host's price in it. `idle_w`: what the device draws when idle, from `measure_idle_power`.
    """

    device: str
    price_table: Path | None = None
    host_class: str = ""
    pid: int = field(default_factory=os.getpid)
    idle_w: float | None = None


class Reading(Protocol):
    """A measurement in progress; belongs to one run."""

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:
        """Ends it. Gives quantities (per inference where the name says so) and rules that the run broke.

        Never raises. What cannot be measured is a Measurement with source "none" and the reason in `detail`, never a
        guess.
        """


class Meter(Protocol):
    """Reads one kind of quantity."""

    @property
    def name(self) -> str: ...

    def start(self, setting: MeterSetting) -> Reading:
        """Begins to measure. Never raises; what is in the way is told when the reading stops."""


@runtime_checkable
class IdleMeter(Meter, Protocol):
    """A meter that can also tell what a device draws when idle."""

    def idle_power(self, device: str, seconds: float) -> float | None:
        """Watts over so many seconds, in which the caller keeps the device idle; None where it cannot be measured."""


NONE = "none"
"""The source of what could not be measured."""


def not_measured(name: str, unit: str, reason: str) -> Measurement:
    """The quantity with the reason why there is no value."""
    return Measurement(name=name, value=0.0, unit=unit, source=NONE, detail=reason)


class Settled:
    """A reading whose result is known from the start: the quantity does not apply, or cannot be had."""

    def __init__(self, *measurements: Measurement) -> None:
        self._measurements = measurements

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - the same for any
        return self._measurements, ()


def is_gpu(device: str) -> bool:
    """Whether the device is one of NVIDIA's, as backends name them."""
    return device.startswith("cuda")
