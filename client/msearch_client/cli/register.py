"""`register`: one model from its card, or many from a manifest."""

from __future__ import annotations

import logging
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from msearch_client import Client, NewDataset
from msearch_client._models import read_card
from msearch_client.cli import options, validation
from msearch_client.cli.bulk import BulkRegistration, Outcome
from msearch_client.cli.manifest import read_manifest
from msearch_client.cli.models import print_model
from msearch_client.cli.output import print_json, print_line, print_note, progress

DEFAULT_JOBS = 4

_log = logging.getLogger("msearch_client")


def register(
    card: Annotated[Path | None, typer.Argument(metavar="CARD", help="Model card, YAML or JSON.")] = None,
    *,
    artifact: Annotated[Path | None, typer.Option("--artifact", metavar="FILE", help="Model file to upload.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="PATH",
            help="Data the model was trained on: file or image folder; sketched on this machine.",
        ),
    ] = None,
    labels: options.Labels = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            metavar="NAME",
            help="Source dataset: a registered one; or, with --data, the name of the new one (default: the model's).",
        ),
    ] = None,
    manifest: Annotated[
        Path | None, typer.Option("--manifest", metavar="FILE", help="Register all models of this manifest instead.")
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option(
            "--sample",
            metavar="N",
            min=1,
            help="Also store N rows of the data with the service, for int8 calibration and checks of outputs. Off by "
            "default: these rows leave this machine, everything else of the data stays here.",
        ),
    ] = None,
    validation_data: validation.ValidationData = None,
    validate_by: validation.ValidateBy = validation.By.LOCAL,
    share_validation: validation.ShareValidation = False,
    jobs: Annotated[
        int, typer.Option("--jobs", metavar="N", min=1, help="With --manifest: work on this many at a time.")
    ] = DEFAULT_JOBS,
    as_modality: options.AsModality = None,
    column: options.Column = None,
    ignore: options.Ignore = None,
    limit_rows: options.LimitRows = None,
    server: options.Server = None,
    json: options.Json = False,
) -> None:
    """Register a model, or all models of a manifest.

    With a manifest, models that are registered already with the same card and artifact are skipped, so that the same
    command can be repeated after an interruption. Failures are listed at the end.
    """
    way = validation.Way(validate_by, share_validation)
    if manifest is not None and card is None:
        given = {"--artifact": artifact, "--data": data, "--labels": labels, "--dataset": dataset,
                 "--column": column, "--as-modality": as_modality, "--ignore": ignore or None,
                 "--validation": validation_data}  # fmt: skip
        for name, value in given.items():
            if value is not None:
                raise typer.BadParameter(f"{name} is said in the manifest")
        _register_all(manifest, jobs, limit_rows, server, sample=sample, way=way, json=json)
        return
    if card is None or manifest is not None:
        raise typer.BadParameter("give either a card or --manifest")
    if data is None and validation_data is None and labels is not None:
        raise typer.BadParameter("--labels needs --data or --validation")
    if validation_data is None and way != validation.Way():
        raise typer.BadParameter("--validate-by and --share-validation need --validation")
    if data is None and sample is not None:
        raise typer.BadParameter("--sample needs --data")
    checked = read_card(card)
    with Client(server) as client:
        source: NewDataset | str | None = dataset
        if data is not None:
            with progress("sketching", unit="rows") as show_progress:
                source = client.new_dataset(
                    dataset or checked.name,
                    data,
                    labels=labels,
                    modality=as_modality,
                    column=column,
                    ignore=ignore or (),
                    limit_rows=limit_rows,
                    progress=show_progress,
                )
        with progress("uploading", unit="bytes") as show_progress:
            model = client.register_model(checked, artifact=artifact, dataset=source, progress=show_progress)
        if sample is not None:
            with progress("storing a sample", unit="rows") as show_progress:
                client.put_sample(
                    model.dataset_id, data, rows=sample, labels=labels, modality=as_modality, column=column,
                    ignore=ignore or (), progress=show_progress,
                )  # fmt: skip
            _log.warning("rows of %s are stored with the service now: a sample of at most %d", data, sample)
        if validation_data is not None:
            validation.validate_registered(
                client, model, validation_data, way, labels=labels, card=checked, artifact=artifact,
                modality=as_modality, column=column, ignore=ignore or (),
            )  # fmt: skip
            model = client.get_model(model)
    print_model(model, json=json)


def _register_all(
    path: Path,
    jobs: int,
    limit_rows: int | None,
    server: str | None,
    *,
    sample: int | None,
    way: validation.Way,
    json: bool,
) -> None:
    manifest = read_manifest(path)
    outcomes: list[Outcome] = []
    with Client(server) as client, progress("registering", unit="models") as show_progress:
        if any(model.validation is not None for model in manifest.models):
            way.announce(client.server, f"the validation samples of {path}")
        run = BulkRegistration(client, manifest, jobs=jobs, limit_rows=limit_rows, sample=sample, way=way).run()
        try:
            with closing(run):
                for outcome in run:
                    outcomes.append(outcome)
                    if show_progress is not None:
                        show_progress(len(outcomes), len(manifest.models))
        except KeyboardInterrupt:
            print_note(f"interrupted after {len(outcomes)} of {len(manifest.models)} models; run it again to go on")
            raise
    states = [outcome.state for outcome in outcomes]
    counts = {state: states.count(state) for state in ("registered", "skipped", "failed")}
    if json:
        print_json(counts | {"models": [outcome.to_dict() for outcome in outcomes]})
    else:
        print_line(", ".join(f"{count:,} {state}" for state, count in counts.items()))
        _print_failures(outcomes)
    if counts["failed"]:
        raise typer.Exit(1)


def _print_failures(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        if outcome.error is None:
            continue
        name, problem = outcome.model or outcome.card, outcome.error.message
        print_note(f"error: {problem}" if problem.startswith(name) else f"error: {name}: {problem}")
        if outcome.error.hint:
            print_note(f"hint: {outcome.error.hint}")
