"""Runs untrusted work in processes of their own: `run_child`, and what the host lets us enforce."""

from profiler_agent.isolation.context import Context
from profiler_agent.isolation.limits import ChildLimits
from profiler_agent.isolation.probing import probe_isolation
from profiler_agent.isolation.running import remove_folder, run_child

__all__ = ["ChildLimits", "Context", "probe_isolation", "remove_folder", "run_child"]
