"""The largest resident memory of the process during the run.

The kernel keeps the high-water mark (VmHWM). Where the process may reset it (clear_refs), or where it rises during the
run, it is the run's own peak; otherwise the peak was before, in compiling say, and the largest of samples stands in.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from profiler_agent.meters import _proc
from profiler_agent.meters._sampling import INTERVAL_S, SAMPLING, Sampling
from profiler_agent.meters.base import MeterSetting, Reading, not_measured
from profiler_agent.work import InvalidReason, Measurement

_NAME = "peak_memory_bytes"


class ProcessMemoryMeter:
    """Looks at /proc/PID/status."""

    name = "process_memory"

    def __init__(self, root: Path = _proc.ROOT, sampling: Sampling = SAMPLING) -> None:
        self._root = root
        self._sampling = sampling

    def start(self, setting: MeterSetting) -> Reading:
        return _MemoryReading(self._root, self._sampling, setting.pid)


class _MemoryReading:
    def __init__(self, root: Path, sampling: Sampling, pid: int) -> None:
        self._root = root
        self._sampling = sampling
        self._pid = pid
        self._largest = 0
        self._problem = ""
        with suppress(OSError):  # where that is refused, the mark tells only if it rises
            (root / f"proc/{pid}/clear_refs").write_text("5", encoding="ascii")
        try:
            self._mark = _proc.status_bytes(root, pid, "VmHWM")
        except _proc.Unreadable as error:
            self._mark = 0
            self._problem = str(error)
            return
        self._look()
        sampling.begin(self._look)

    def _look(self) -> None:
        try:
            self._largest = max(self._largest, _proc.status_bytes(self._root, self._pid, "VmRSS"))
        except _proc.Unreadable:
            return  # it has ended; stop() tells

    def stop(self, inferences: int) -> tuple[Sequence[Measurement], Sequence[InvalidReason]]:  # noqa: ARG002 - of the process
        self._sampling.end(self._look)
        if not self._problem:
            try:
                mark = _proc.status_bytes(self._root, self._pid, "VmHWM")
            except _proc.Unreadable as error:
                self._problem = str(error)
        if self._problem:
            return [not_measured(_NAME, "bytes", self._problem)], ()
        self._look()
        if mark > self._mark:
            peak, source, detail = mark, "VmHWM", "high-water mark of the run"
        else:
            peak, source = self._largest, "VmRSS"
            detail = (
                f"largest of samples every {INTERVAL_S * 1e3:g} ms; the process had {self._mark} bytes before the run"
            )
        return [Measurement(name=_NAME, value=float(peak), unit="bytes", source=source, detail=detail)], ()


METER = ProcessMemoryMeter()
