"""The host: its fingerprint, its class, and what it can do at most."""

from __future__ import annotations

from profiler_agent.host.devices import measured_devices
from profiler_agent.host.fingerprint import fingerprint
from profiler_agent.host.host_class import host_class
from profiler_agent.host.peaks import Peaks, calibrate_peaks, measure_peaks

__all__ = ["Peaks", "calibrate_peaks", "fingerprint", "host_class", "measure_peaks", "measured_devices"]
