"""The program: its commands, and how every failure becomes one clear line and an exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from msearch_client import MsearchError
from msearch_client.cli import (
    about,
    agent,
    agents,
    analyse,
    benchmark,
    calibrate,
    compare,
    datasets,
    evaluations,
    jobs,
    models,
    prices,
    profile,
    profiles,
    query,
    recommend,
    register,
    reporting,
    samples,
    scores,
    serve,
    simulate,
    sketch,
    spaces,
    tokens,
)
from msearch_client.cli.handing_over import PASS_ON
from msearch_client.cli.output import print_note, printable

FAILED = 1
INTERRUPTED = 130

# grpc writes its own lines about connections and forks to stderr; what matters reaches people as an error.
QUIET = {"GRPC_VERBOSITY": "NONE", "GLOG_minloglevel": "3"}


class Notes(logging.Handler):
    """Prints what the SDK warns of on stderr."""

    def __init__(self, *, as_json: bool) -> None:
        super().__init__(logging.WARNING)
        self._as_json = as_json

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler.emit`."""
        text = record.getMessage()
        print_note(json.dumps({"note": text}, ensure_ascii=False) if self._as_json else f"note: {text}")


class Program(TyperGroup):
    """The root command. Nothing that goes wrong below it reaches people as a traceback."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,  # noqa: ARG002 - the exit code is decided here
        windows_expand_args: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs the command line and exits."""
        for name, value in QUIET.items():
            os.environ.setdefault(name, value)
        words = list(sys.argv[1:] if args is None else args) or ["--help"]
        logging.getLogger("msearch_client").handlers = [Notes(as_json="--json" in words)]
        try:
            code = super().main(words, prog_name, complete_var, False, windows_expand_args, **extra)
        except typer.TyperException as error:
            code = report_usage(error, as_json="--json" in words)
        except typer.Abort:
            code = report({"error": "Aborted", "message": "nothing was changed"}, as_json="--json" in words)
        except BrokenPipeError:
            # The reader went away, as `head` does; without this Python complains once more at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = FAILED
        except Exception as error:  # noqa: BLE001 - the last place where an error can be made readable
            code = report_error(error, as_json="--json" in words)
        sys.exit(code if isinstance(code, int) else 0)


def report_usage(error: typer.TyperException, *, as_json: bool) -> int:
    """A wrong command line, with the command whose help tells more."""
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "msearch-cli"
    message = error.format_message().rstrip(".")
    report({"error": "UsageError", "message": message, "hint": f"run `{command} --help`"}, as_json=as_json)
    return error.exit_code


def report_error(error: Exception, *, as_json: bool) -> int:
    """Any other failure: expected ones as they say themselves, a defect with the way to its traceback."""
    if os.environ.get("MSEARCH_DEBUG"):
        traceback.print_exception(error)
    if isinstance(error, MsearchError):
        return report(error.to_dict(), as_json=as_json)
    return report(
        {
            "error": type(error).__name__,
            "message": f"unexpected {type(error).__name__}: {error}",
            "hint": "this is a defect of msearch-cli; MSEARCH_DEBUG=1 shows the traceback",
        },
        as_json=as_json,
    )


def report(failure: dict[str, Any], *, as_json: bool) -> int:
    """Prints a failure on stderr: as JSON, or as a line, the fields to blame, and a hint."""
    if as_json:
        typer.echo(json.dumps(failure, ensure_ascii=False), err=True)
        return FAILED
    typer.echo(f"error: {printable(failure['message'])}", err=True)
    for path, problem in failure.get("fields", ()):
        if problem not in failure["message"]:
            typer.echo(printable(f"  {path}: {problem}"), err=True)
    if failure.get("hint"):
        typer.echo(f"hint: {printable(failure['hint'])}", err=True)
    return FAILED


app = typer.Typer(
    name="msearch-cli",
    cls=Program,
    help="Find the model to deploy for data without labels.",
    pretty_exceptions_enable=False,
)
app.command("query")(query.query)
app.command("recommend")(recommend.recommend)
app.command("register")(register.register)
app.command("sketch")(sketch.sketch)
app.add_typer(models.app, name="models")
app.add_typer(datasets.app, name="datasets")
app.add_typer(spaces.app, name="spaces")
app.command("scores")(scores.scores)
app.command("calibrate")(calibrate.calibrate)
app.add_typer(evaluations.app, name="evaluations")
app.add_typer(samples.app, name="samples")
app.command("profile")(profile.profile)
app.add_typer(profiles.app, name="profiles")
app.add_typer(benchmark.app, name="benchmark")
app.command("compare")(compare.compare)
app.command("analyse")(analyse.analyse)
app.command("report")(reporting.report)
app.add_typer(prices.app, name="prices")
app.add_typer(jobs.app, name="jobs")
app.add_typer(agents.app, name="agents")
app.add_typer(tokens.app, name="token")
app.command("simulate")(simulate.simulate)
app.command("serve", context_settings=PASS_ON)(serve.serve)
app.command("agent", context_settings=PASS_ON)(agent.agent)
app.command("config")(about.config)
app.command("version")(about.version)


def main() -> None:
    """Entry point of `msearch-cli`."""
    if not sys.warnoptions:
        # Libraries warn of what they meet in data, such as huge images; what matters reaches people as a note.
        warnings.simplefilter("ignore")
    app(prog_name="msearch-cli")
