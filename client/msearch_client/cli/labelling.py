"""`query --labels-budget`: labels a few rows, from a file or by asking, to find the best of the top candidates."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Unpack

import typer

from msearch_client import Client, LabellingSession, LabelVerdict, LocalError
from msearch_client._target_options import TargetOptions
from msearch_client.cli import predictions, reranking
from msearch_client.cli.answers import Answers
from msearch_client.cli.output import count, fraction_bar, print_json, print_line, print_note, print_table, progress
from msearch_client.cli.showing_rows import show_row, write_images
from msearch_client.cli.times import parse_time

DEFAULT_K = 10

Budget = Annotated[
    int | None,
    typer.Option(
        "--labels-budget",
        metavar="N",
        min=1,
        help="Run the ten best candidates here, label at most N rows, and say which is the best; --rerank K has agents "
        "run K of them, --rerank K --local this machine. At a terminal it asks, one row at a time; else it writes the "
        "rows to label to --labels.",
    ),
]
LabelsFile = Annotated[
    Path | None,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="With --labels-budget: labels as .csv, .json or .parquet with the columns row and label. Answers are "
        "saved there at once, and the same command goes on from it. Default: NAME-labels.csv in this folder.",
    ),
]
OfSample = Annotated[
    str | None,
    typer.Option(
        "--sample",
        metavar="SAMPLE",
        help="With --labels-budget: run nothing. Compare all models with outputs on this sample, which must hold the "
        "rows of --data: outputs that you added, or that agents gave before.",
    ),
]
Confidence = Annotated[
    float,
    typer.Option("--confidence", metavar="SHARE", help="With --labels-budget: stop when one candidate is so sure."),
]
Tolerance = Annotated[
    float,
    typer.Option("--tolerance", metavar="SHARE", help="With --labels-budget: the winner may be so far below the best."),
]
F1 = Annotated[str, typer.Option("--f1", metavar="CLASS", help="With --labels-budget: judge by the F1 of this class.")]
ShowIn = Annotated[
    Path | None,
    typer.Option("--show-in", metavar="FOLDER", help="With --labels-budget: write images to look at into this folder."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The options of a labelling. Without `sample` `k` candidates are run, here or by agents: then rows are kept."""

    budget: int
    file: Path | None
    sample: str | None
    k: int
    local: bool
    keep: timedelta
    confidence: float
    tolerance: float
    f1: str
    show_in: Path | None


def check_options(
    *,
    budget: int | None,
    file: Path | None,
    confidence: float,
    tolerance: float,
    f1: str,
    show_in: Path | None,
    sample: str | None,
    k: int | None,
    local: bool,
    keep: str | None,
    chosen: bool,
) -> Wanted | None:
    """The labelling that the options ask for, None without a budget.

    `chosen`: options say which models take part, or in which order they are taken.

    Raises:
        typer.BadParameter: an option needs another, or has an impossible value.
    """
    if budget is None:
        needy = {"--labels": file, "--f1": f1, "--show-in": show_in, "--sample": sample}
        for name, value in needy.items():
            if value:
                raise typer.BadParameter(f"{name} needs --labels-budget")
        return None
    if not 0.5 < confidence < 1:
        raise typer.BadParameter(f"--confidence must lie above 0.5 and below 1, not {confidence:g}")
    if not 0 <= tolerance < 1:
        raise typer.BadParameter(f"--tolerance must be at least 0 and below 1, not {tolerance:g}")
    if sample is not None and (k is not None or local or keep is not None or chosen):
        raise typer.BadParameter(
            "--sample says which models take part: leave out --rerank, --local, --keep, filters and orders"
        )
    reranking.check_options(k=k, local=local, keep=keep, with_noise=False)
    return Wanted(
        budget=budget, file=file, confidence=confidence, tolerance=tolerance, f1=f1, show_in=show_in, sample=sample,
        k=k or DEFAULT_K, local=local or k is None,
        keep=reranking.KEPT if keep is None else parse_time(keep, "--keep"),
    )  # fmt: skip


def label(client: Client, data: Path, wanted: Wanted, *, as_json: bool, **asked: Unpack[TargetOptions]) -> None:
    """Gets the candidates' outputs, takes labels, prints who leads."""
    file = wanted.file or Path(f"{data.stem}-labels.csv")
    if wanted.sample is None and not wanted.local:
        reranking.say_what_is_stored(client, data, wanted.keep)
    with progress("reading", unit="rows") as show_rows, fraction_bar("running the candidates") as show_share:
        session = client.start_labelling(
            data, k=wanted.k, local=wanted.local, sample=wanted.sample, keep_s=wanted.keep.total_seconds(),
            labels_file=file, confidence=wanted.confidence, tolerance=wanted.tolerance, f1=wanted.f1,
            progress=show_rows, running=show_share, **asked,
        )  # fmt: skip
    interactive = not as_json and sys.stdin.isatty()
    if interactive:
        ask_for_labels(session, wanted, file)
    verdict = session.verdict()
    left = max(0, wanted.budget - len(session.labels))
    waiting: list[int] = []
    if verdict.winner is None and left and not interactive:
        waiting = session.next_rows(left)
        if wanted.show_in is not None:
            for row in waiting:
                write_images(session.rows, row, wanted.show_in)
    if as_json:
        print_json(verdict.to_dict() | {"labels_file": str(file), "rows_to_label": waiting})
    else:
        print_verdict(verdict)
        _say_what_next(verdict, waiting, left, file, interactive=interactive)


def ask_for_labels(session: LabellingSession, wanted: Wanted, file: Path) -> None:
    """Asks for one row after another until somebody wins, the budget is spent, or the person has enough."""
    answers = Answers(session.classes)
    print_note(f"answers are saved to {file}; {answers.help}")
    while len(session.labels) < wanted.budget and session.verdict().winner is None:
        rows = session.next_rows()
        if not rows:
            return
        row = rows[0]
        print_line()
        print_line(f"row {row}, label {len(session.labels) + 1} of at most {wanted.budget}")
        show_row(session.rows, row, wanted.show_in)
        if not _take_answer(session, answers, row):
            return
        verdict = session.verdict()
        leader = verdict.standings[0]
        print_line(
            f"{verdict.leader} leads with {leader.accuracy:.3f} ({leader.low:.3f} to {leader.high:.3f}), "
            f"sure to {verdict.confidence:.0%}, {verdict.wanted:.0%} wanted"
        )


def _take_answer(session: LabellingSession, answers: Answers, row: int) -> bool:
    """Asks until an answer can be taken; whether to go on."""
    while True:
        try:
            text = typer.prompt("class", prompt_suffix=": ", err=True)
        except (typer.Abort, EOFError):
            return False
        try:
            answer = answers.read(str(text))
            if answer.command == "quit":
                return False
            if answer.command == "undo":
                undone = session.undo()
                print_note("there is nothing to undo" if undone is None else f"row {undone} is asked for again")
                if undone is None:
                    continue
            elif answer.command == "skip":
                session.skip(row)
            else:
                session.label(row, answer.name)
        except LocalError as error:
            print_note(f"{error.message}" + (f" ({error.hint})" if error.hint else ""))
            continue
        return True


def print_verdict(verdict: LabelVerdict) -> None:
    """Who leads, for people."""
    print_line(f"{count(len(verdict.standings), 'candidate')} after {count(verdict.labels, 'label')}")
    print_table(
        [
            {
                "rank": str(rank),
                "model": item.model,
                "accuracy": f"{item.accuracy:.3f}",
                "90 % interval": f"{item.low:.3f} to {item.high:.3f}",
                "is best": f"{item.best:.1%}",
                "right": f"{item.right} of {item.labelled}",
            }
            for rank, item in enumerate(verdict.standings, 1)
        ],
        numbers=("rank", "accuracy", "is best"),
        keys=("rank", "model"),
    )
    predictions.print_failed(verdict.failed)
    for notice in verdict.notices:
        print_line(f"note: {notice}")


def _say_what_next(verdict: LabelVerdict, waiting: list[int], left: int, file: Path, *, interactive: bool) -> None:
    sure = f"at most {verdict.tolerance:g} below the best at {verdict.confidence:.1%} confidence"
    if verdict.winner is not None:
        print_line(f"winner: {verdict.winner}, {sure}")
        return
    print_line(f"no winner yet: {verdict.leader} leads, {sure}, {verdict.wanted:.0%} wanted")
    if waiting:
        print_line(f"{count(len(waiting), 'row')} to label in {file}: fill in the column `label`, run this again")
    elif verdict.exhausted:
        print_line("no further row tells the candidates apart")
    elif not left:
        print_line("the budget is spent: a larger --labels-budget goes on from here")
    elif interactive:
        print_line("the same command goes on from here")
