"""What the host lets us enforce on children."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from profiler_agent.errors import JobError
from profiler_agent.isolation.context import Context
from profiler_agent.isolation.limits import ChildLimits
from profiler_agent.isolation.running import run_child

PROBE_DEADLINE_S = 60.0


def probe_isolation(folder: Path) -> dict[str, str]:
    """Starts a child that does nothing, under `folder`, and gives what held for it, by name.

    The names are those of `confine`; a value that begins with "not" says why it is not enforced. Never raises JobError:
    a child that cannot even start is told under "child".
    """
    limits = ChildLimits(workspace=folder, deadline_s=PROBE_DEADLINE_S, threads=0)
    try:
        found = run_child(f"{__name__}:tell_isolation", None, limits=limits, cancelled=threading.Event())
    except JobError as error:
        return {"child": f"not started: {error.message}"}
    return {str(name): str(value) for name, value in found.items()}


def tell_isolation(argument: Any, context: Context) -> dict[str, str]:  # noqa: ARG001 - the signature of tasks
    """The task that gives what holds for its own process."""
    return context.isolation
