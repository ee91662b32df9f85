"""Runs a model's artifact on rows as its card says, wherever there is need: on an agent, and on a user's machine.

Pure but for the runtimes, which are imported when an artifact of theirs is loaded. docs/evaluating.md describes it.
"""

from __future__ import annotations

from msearch_running.errors import RunError
from msearch_running.outputs import Outputs
from msearch_running.running import run_model
from msearch_running.validation import Validated, validate

__all__ = ["Outputs", "RunError", "Validated", "run_model", "validate"]
