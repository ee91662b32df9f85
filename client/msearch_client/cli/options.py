"""Options that several commands share, declared once."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from msearch_client import Filter, Load, LocalError, Modality, Precision, Variant
from msearch_client._variants import cross
from msearch_sketch.errors import SignatureError
from msearch_sketch.signature import Signature

Parsed = TypeVar("Parsed")

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Server = Annotated[
    str | None,
    typer.Option(
        "--server",
        metavar="HOST:PORT",
        help="Address of the service; default: MSEARCH_SERVER, the config file, localhost:50051.",
    ),
]

MODALITIES = f"One of {', '.join(Modality)}."

AsModality = Annotated[
    Modality | None,
    typer.Option("--as-modality", metavar="MODALITY", help=f"How to read the data; detected by default. {MODALITIES}"),
]
Column = Annotated[
    str | None, typer.Option("--column", metavar="NAME", help="Column that holds the data, where several would do.")
]
Ignore = Annotated[
    list[str] | None, typer.Option("--ignore", metavar="COLUMN", help="Leave this column out; repeat for several.")
]
LimitRows = Annotated[int | None, typer.Option("--limit-rows", metavar="N", min=1, help="Read at most this many rows.")]
Labels = Annotated[str | None, typer.Option("--labels", metavar="COLUMN", help="Column that holds the classes.")]

Task = Annotated[
    list[str] | None, typer.Option("--task", metavar="TASK", help="Keep this task; repeat for any of several.")
]
OfModality = Annotated[
    list[Modality] | None,
    typer.Option("--modality", metavar="MODALITY", help=f"Keep this modality; repeat for any of several. {MODALITIES}"),
]
Class = Annotated[
    list[str] | None,
    typer.Option("--class", metavar="CLASS", help="Keep models that know this class; repeat for all of several."),
]
Tag = Annotated[
    list[str] | None,
    typer.Option("--tag", metavar="TAG", help="Keep what carries this tag; repeat for all of several."),
]
Licence = Annotated[
    list[str] | None, typer.Option("--licence", metavar="LICENCE", help="Keep this licence; repeat for any of several.")
]
Text = Annotated[
    str, typer.Option("--text", metavar="WORDS", help="Keep what has all these words in its name or description.")
]
Format = Annotated[
    list[str] | None,
    typer.Option(
        "--format", metavar="FORMAT", help="Keep this artifact format (onnx, ...); repeat for any of several."
    ),
]
Backend = Annotated[
    list[str] | None,
    typer.Option(
        "--backend",
        metavar="NAME",
        help="onnxruntime, openvino, torch, inductor, tensorrt, null, or another that an agent has; repeat.",
    ),
]
OfPrecision = Annotated[
    list[Precision] | None,
    typer.Option(
        "--precision", metavar="NAME", help=f"For each --backend; repeat. One of {', '.join(Precision)}; default: fp32."
    ),
]
OfVariant = Annotated[
    list[str] | None,
    typer.Option(
        "--variant",
        metavar="TEXT",
        help='One variant in full: "onnxruntime int8_static batch=8 threads=2 mode=NAME device=cuda:0"; repeat.',
    ),
]
HostClass = Annotated[
    str,
    typer.Option("--host-class", metavar="CLASS", help="Only hosts whose class begins so, as `agents list` shows it."),
]
Limit = Annotated[int, typer.Option("--limit", metavar="N", min=1, help="List at most this many.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def make_filter(
    *,
    tasks: Sequence[str] | None = None,
    modalities: Sequence[Modality] | None = None,
    classes: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    licences: Sequence[str] | None = None,
    text: str = "",
    formats: Sequence[str] | None = None,
    dataset_id: str = "",
) -> Filter:
    """A filter from options, which are None where they are not given."""
    return Filter(
        tasks=tuple(tasks or ()),
        modalities=tuple(modalities or ()),
        classes=tuple(classes or ()),
        tags=tuple(tags or ()),
        licences=tuple(licences or ()),
        text=text,
        formats=tuple(formats or ()),
        dataset_id=dataset_id,
    )


def usage(parse: Callable[[str], Parsed], text: str) -> Parsed:
    """What `parse` makes of an option's text; where it cannot be read, the command line is wrong."""
    try:
        return parse(text)
    except LocalError as error:
        raise typer.BadParameter(f"{error.message} ({error.hint})" if error.hint else error.message) from None


def read_load(text: str) -> Load:
    """The load of an option."""
    return usage(Load.parse, text)


def make_variants(
    backends: Sequence[str] | None,
    precisions: Sequence[Precision] | None,
    variants: Sequence[str] | None,
    *,
    remote: bool = False,
) -> tuple[Variant, ...]:
    """The variants of the options; none where nothing was given and the usual one is meant."""
    named = tuple(usage(Variant.parse, text) for text in variants or ())
    if precisions and not backends and not remote:
        if named:
            raise typer.BadParameter("--precision belongs to --backend; a --variant says its own")
        raise typer.BadParameter("--precision needs --backend")
    chosen = list(backends or ()) or (["remote"] if remote and not named else [])
    return tuple(dict.fromkeys((*cross(chosen, precisions or ()), *named)))


def read_bytes(path: Path) -> bytes:
    """A file's bytes.

    Raises:
        LocalError: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise LocalError(f"cannot read {path}: {error.strerror or error}") from None


def read_signature(path: Path) -> Signature:
    """The signature in a file.

    Raises:
        LocalError: it cannot be read, or holds none.
    """
    try:
        return Signature.from_bytes(read_bytes(path))
    except SignatureError as error:
        raise LocalError(f"{path}: {error}") from None


def confirm(question: str, *, yes: bool) -> None:
    """Asks before something is lost.

    Raises:
        LocalError: nobody is there to answer.
        typer.Abort: the answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise LocalError("this needs a confirmation, and there is no terminal to ask at", hint="give --yes")
    typer.confirm(question, abort=True, err=True)
