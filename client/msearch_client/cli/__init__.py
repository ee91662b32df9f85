"""The command line, `msearch-cli`: one module a command group, each thin above the SDK."""

from msearch_client.cli.program import app, main

__all__ = ["app", "main"]
