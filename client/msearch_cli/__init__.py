"""Where the script `msearch-cli` begins: it imports the program where an interrupt is already handled.

A package of its own, because importing anything of msearch_client imports all of it, which takes a moment.
"""

from __future__ import annotations

import sys

INTERRUPTED = 130


def main() -> None:
    """Entry point of the script `msearch-cli`; after an interrupt it exits with 130, without a word."""
    try:
        from msearch_client.cli import main as run  # noqa: PLC0415 - what takes the moment

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
