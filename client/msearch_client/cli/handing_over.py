"""Runs another program of ours in place of this one."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from typing import NoReturn

from msearch_client import LocalError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True}
"""Settings of a command whose arguments are another program's."""


def hand_over(what: str, words: Sequence[str], *, needed: Sequence[str], hint: str) -> NoReturn:
    """Runs `python -m WORDS` instead of this process.

    Args:
        what: names it, where it cannot run.
        words: the module, and its arguments.
        needed: packages without which it does not run.
        hint: how to install them.

    Raises:
        LocalError: a package is missing.
    """
    missing = [name for name in needed if find_spec(name) is None]
    if missing:
        raise LocalError(f"{what} cannot run here: {', '.join(missing)} not installed", hint=hint)
    # Replacing the process hands signals and the exit code through without a parent in between.
    os.execv(sys.executable, [sys.executable, "-m", *words])  # noqa: S606
