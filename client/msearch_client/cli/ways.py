"""The ways of asking with `query`, and the options that each of them takes; whoever gives another is told so."""

from __future__ import annotations

from collections.abc import Mapping

import typer

_DATA = {"data", "as_modality", "column", "ignore", "limit_rows", "server", "json"}
_MODELS = {"task", "modality", "has_class", "tag", "licence", "text", "format", "score", "order_by"}
_RUNNING = {"rerank", "local", "keep"}
_PROFILES = {"require", "load", "host_class"}
_SHOWN = {"scores", "explain", "top", "predict", "predicted_latency"}

TAKEN: Mapping[str, frozenset[str]] = {
    "drift": frozenset({*_DATA, "drift", "drift_from", "signature"}),
    "drift_from": frozenset({*_DATA, "drift", "drift_from", "signature"}),
    "ensemble": frozenset({*_DATA, *_MODELS, "ensemble", "signature"}),
    "labels_budget": frozenset(
        {*_DATA, *_MODELS, *_RUNNING, "labels_budget", "labels", "sample", "confidence", "tolerance", "f1", "show_in"}
    ),
    "rerank": frozenset({*_DATA, *_MODELS, *_RUNNING, *_PROFILES, *_SHOWN, "with_noise"}),
}
"""By the option that stands for the way, those that it takes, by their names as parameters. The first that is given
decides; a query without any of them takes all others."""


def check_way(context: typer.Context) -> None:
    """Refuses options that the way of asking does not take.

    Raises:
        typer.BadParameter: one was given; the message names both.
    """
    given = {
        str(parameter.name): parameter.opts[0]
        for parameter in context.command.params
        if (source := context.get_parameter_source(str(parameter.name))) is not None and source.name == "COMMANDLINE"
    }
    for way, taken in TAKEN.items():
        if way in given:
            for name, option in given.items():
                if name not in taken:
                    raise typer.BadParameter(f"{given[way]} and {option} do not go together")
            return
