"""What a command printed with `--json`."""

from __future__ import annotations

import json
from typing import Any

from typer.testing import Result


def document(result: Result) -> Any:
    """The one JSON document on stdout."""
    return json.loads(result.stdout)


def failure(result: Result) -> Any:
    """The one JSON document on stderr; stdout is empty."""
    assert result.stdout == ""
    return json.loads(result.stderr)
