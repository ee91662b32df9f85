"""Runs registered models on rows of this machine."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import pyarrow as pa

from msearch_card import CardError, parse_card
from msearch_client._artifact_cache import find_artifact
from msearch_client._catalogue import Model
from msearch_client._errors import ApiError, LocalError
from msearch_client._models import ModelCalls
from msearch_client._rankings import FailedModel
from msearch_running import Outputs, RunError
from msearch_running.process import ModelProcess

OnShare: TypeAlias = Callable[[float, str], object]
"""Called with the share that is done, in [0, 1], and what is being done, in words."""


def unheard(_share: float, _said: str) -> None:
    """For progress that nobody asked about."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalRun:
    """A model with its card, and its outputs on every row, or why there are none."""

    model: Model
    outputs: Outputs | None
    failure: FailedModel | None = None


def run_locally(
    client: ModelCalls,
    models: Sequence[Model],
    rows: pa.Table,
    *,
    with_noise: bool = False,
    artifacts: Path | None = None,
    progress: OnShare | None = None,
) -> list[LocalRun]:
    """Runs each model on the rows, one after another, in a process of its own. Nothing is uploaded.

    Artifacts are downloaded once and kept by digest. A model that fails takes nothing with it: its run says why.

    Args:
        client: where the models are registered.
        models: which, as a ranking or `get_model` gave them.
        rows: with the columns that the cards name; see `msearch_running.columns` for other names.
        with_noise: also run each with noise on its weights.
        artifacts: the folder for artifacts, None for the user's.
        progress: takes how far it is.
    """
    report = progress or unheard
    runs = []
    with ModelProcess(rows) as process:
        for place, model in enumerate(models):
            name = f"{model.name}@{model.version}"

            def tell(share: float, name: str = name, place: int = place) -> None:
                report((place + share) / len(models), f"runs {name} ({place + 1} of {len(models)})")

            tell(0.0)
            try:
                found = model if model.card_json else client.get_model(model)
                card = parse_card(found.card_json)
                path = fetch_artifact(client, found, artifacts)
                outputs = process.run(card, path, with_noise=with_noise, on_progress=tell)
            except RunError as error:
                runs.append(LocalRun(model, None, _failure(model, error.code, error.message)))
            except CardError as error:
                runs.append(LocalRun(model, None, _failure(model, "no_card_input", str(error))))
            except LocalError as error:
                runs.append(LocalRun(model, None, _failure(model, "no_artifact", error.message)))
            except ApiError as error:
                runs.append(
                    LocalRun(model, None, _failure(model, error.reason.lower() or "unavailable", error.message))
                )
            else:
                runs.append(LocalRun(found, outputs))
    return runs


def fetch_artifact(client: ModelCalls, model: Model, folder: Path | None) -> Path:
    """The model's file on this machine, downloaded where it is not there yet; None is the user's folder.

    Raises:
        LocalError: the service does not hold the bytes, or the folder cannot be used.
    """
    if not model.artifact.stored:
        place = f"they are at {model.artifact.uri}" if model.artifact.uri else "it is hosted elsewhere"
        raise LocalError(f"the service does not hold the bytes of {model.name}@{model.version}: {place}")
    return find_artifact(
        model.artifact, lambda path: client.download_artifact(model, path, overwrite=True), folder=folder
    )


def _failure(model: Model, code: str, message: str) -> FailedModel:
    return FailedModel(model=f"{model.name}@{model.version}", model_id=model.id, code=code, message=message)
