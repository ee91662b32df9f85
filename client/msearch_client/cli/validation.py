"""Validation at registration and later: how a model does on labelled held-out rows, measured and not claimed."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from msearch_accuracy.behaviour.labelled_accuracy import wilson_interval
from msearch_card import Card
from msearch_client import Client, LocalError, Model, MsearchError, Validation
from msearch_client.cli import options
from msearch_client.cli.output import fraction_bar, print_json, print_line, progress

_log = logging.getLogger("msearch_client")


class By(StrEnum):
    """Who runs the model on its validation rows."""

    LOCAL = "local"
    AGENT = "agent"


ValidationData = Annotated[
    Path | None,
    typer.Option(
        "--validation",
        metavar="PATH",
        help="Labelled rows that the model was not trained on: it is run on them, and its accuracy stored as measured.",
    ),
]
ValidateBy = Annotated[
    By,
    typer.Option(
        "--validate-by",
        metavar="WHERE",
        help="local: run it here and send the statistics only. agent: send the rows and let an agent run it.",
    ),
]
ShareValidation = Annotated[
    bool,
    typer.Option(
        "--share-validation",
        help="Store the labelled rows with the service as a validation sample, for everybody: other models are run on "
        "them, too, and the accuracy predictor learns from that. Off by default; --validate-by agent implies it.",
    ),
]


@dataclass(frozen=True, slots=True)
class Way:
    """How to validate: by whom, and whether the labelled rows are stored with the service."""

    by: By = By.LOCAL
    share: bool = False

    @property
    def sends_rows(self) -> bool:
        """Whether rows leave this machine."""
        return self.share or self.by is By.AGENT

    def announce(self, server: str, what: str) -> None:
        """Says in one line what is sent, before it is."""
        if self.sends_rows:
            _log.warning("the labelled rows of %s are stored with %s, for everybody to run models on", what, server)


def validate_registered(
    client: Client,
    model: Model,
    data: Path,
    way: Way,
    *,
    labels: str | None,
    card: Card | None = None,
    artifact: Path | None = None,
    **reading: Any,
) -> Validation:
    """Validates a model that is registered, with progress; `reading` are modality, column and ignore.

    Raises:
        LocalError: it cannot be done; the model stays registered, and the message says so.
    """
    way.announce(client.server, str(data))
    try:
        with progress("reading", unit="rows") as show_rows, fraction_bar("validating") as show_share:
            return client.validate(
                model, data, labels=labels, by=way.by.value, share=way.share, card=card, artifact=artifact,
                progress=show_rows, running=show_share, **reading,
            )  # fmt: skip
    except MsearchError as error:
        raise not_validated(model, data, error) from None


def not_validated(model: Model, data: Path, error: MsearchError) -> LocalError:
    """That a model is registered, and why it is not validated."""
    name = f"{model.name}@{model.version}"
    return LocalError(
        f"{name} is registered, and not validated: {error.message}",
        hint=error.hint or f"`msearch-cli models validate {name} --data {data}` tries again",
    )


def describe_validation(validation: Validation) -> str:
    """As in "accuracy 0.984 (0.974 - 0.990) on 1,000 rows, measured by agent"."""
    count = validation.row_count
    low, high = wilson_interval(round(validation.accuracy * count), count)
    by = {"agent": "an agent", "client": "its owner", "outputs": "the service, on outputs that its owner sent"}
    return (
        f"accuracy {validation.accuracy:.4g} ({low:.3f} - {high:.3f}) on {count:,} rows, "
        f"measured by {by.get(validation.measured_by, validation.measured_by)}"
    )


def validate(
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Name, name@version, or id.")],
    *,
    data: Annotated[Path, typer.Option("--data", metavar="PATH", help="Labelled rows: file or image folder.")],
    labels: options.Labels = None,
    validate_by: ValidateBy = By.LOCAL,
    share_validation: ShareValidation = False,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Run a model on labelled rows that it was not trained on, and store how it did."""
    way = Way(validate_by, share_validation)
    with Client(server) as client:
        way.announce(client.server, str(data))
        with progress("reading", unit="rows") as show_rows, fraction_bar("validating") as show_share:
            found = client.validate(
                model, data, labels=labels, by=way.by.value, share=way.share, modality=as_modality, column=column,
                ignore=ignore or (), limit_rows=limit_rows, progress=show_rows, running=show_share,
            )  # fmt: skip
    if json:
        print_json(found.to_dict())
    else:
        print_line(describe_validation(found))
