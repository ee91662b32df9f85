"""The manifest: many models with their artifacts and source datasets in one YAML file (docs/registering.md)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator
from pydantic_core import ErrorDetails

from msearch_client import LocalError, Modality

HINT = "docs/registering.md describes the format"

_PROBLEMS = {
    "missing": "is required",
    "extra_forbidden": "is not a known key",
    "model_type": "must be a mapping",
    "tuple_type": "must be a list",
    "too_short": "must not be empty",
    "string_too_short": "must not be empty",
    "string_type": "must be a string; put it in quotes",
    "path_type": "must be a path",
    "literal_error": "must be 1, the only version of the format",
}


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DatasetEntry(_Part):
    """A source dataset: with `data` it is sketched and registered where it does not exist yet, else it must exist."""

    name: str = Field(min_length=1)
    version: str = "1"
    data: Path | None = None
    labels: str | None = None
    description: str = ""
    tags: tuple[str, ...] = ()
    licence: str = ""
    modality: Modality | None = None
    column: str | None = None
    ignore: tuple[str, ...] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _number_as_text(cls, value: Any) -> Any:
        # YAML reads `version: 1` as an integer.
        return str(value) if isinstance(value, int) and not isinstance(value, bool) else value

    @property
    def identity(self) -> str:
        """Name and version, as in "digits@1"."""
        return f"{self.name}@{self.version}"


class ValidationEntry(_Part):
    """Labelled rows that the model was not trained on."""

    data: Path
    labels: str | None = None


class ModelEntry(_Part):
    """A model: its card, its file, what it was trained on (a name refers to a registered dataset), and what it is
    validated on.
    """

    card: Path
    artifact: Path | None = None
    dataset: DatasetEntry | str | None = None
    validation: ValidationEntry | None = None


class _Document(_Part):
    version: Literal[1]
    models: tuple[ModelEntry, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _one_meaning_a_dataset(self) -> _Document:
        seen: dict[str, DatasetEntry] = {}
        for dataset in _datasets(self.models):
            if seen.setdefault(dataset.identity, dataset) != dataset:
                raise ValueError(
                    f"the dataset {dataset.identity} is described in two ways; use the same fields, or its name"
                )
        return self


@dataclass(frozen=True, slots=True)
class Manifest:
    """A checked manifest whose paths are absolute or relative to the working directory.

    `datasets` holds each distinct dataset once, in the order of the models.
    """

    path: Path
    models: tuple[ModelEntry, ...]
    datasets: tuple[DatasetEntry, ...]


def read_manifest(path: Path) -> Manifest:
    """Reads and checks a manifest; paths in it are relative to its folder.

    Raises:
        LocalError: it cannot be read, or a field is wrong; `fields` names each.
    """
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise LocalError(f"cannot read the manifest {path}: {error.strerror or error}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise LocalError(f"the manifest {path} is not YAML: {' '.join(str(error).split())}") from None
    except RecursionError:
        raise LocalError(f"the manifest {path} is nested too deeply") from None
    if not isinstance(raw, dict):
        raise LocalError(f"the manifest {path} must be a mapping with version and models", hint=HINT)
    try:
        document = _Document.model_validate(raw)
    except ValidationError as error:
        fields = [(_path(detail["loc"]), _problem(detail)) for detail in error.errors()]
        raise LocalError(f"the manifest {path} is invalid", hint=HINT, fields=fields) from None
    models = tuple(_locate(model, path.parent) for model in document.models)
    distinct = {dataset.identity: dataset for dataset in _datasets(models)}
    return Manifest(path, models, tuple(distinct.values()))


def _datasets(models: tuple[ModelEntry, ...]) -> Iterator[DatasetEntry]:
    for model in models:
        if isinstance(model.dataset, DatasetEntry):
            yield model.dataset


def _locate(model: ModelEntry, folder: Path) -> ModelEntry:
    dataset = model.dataset
    if isinstance(dataset, DatasetEntry) and dataset.data is not None:
        dataset = dataset.model_copy(update={"data": folder / dataset.data})
    artifact = None if model.artifact is None else folder / model.artifact
    validation = model.validation
    if validation is not None:
        validation = validation.model_copy(update={"data": folder / validation.data})
    return ModelEntry(card=folder / model.card, artifact=artifact, dataset=dataset, validation=validation)


def _problem(detail: ErrorDetails) -> str:
    said = detail["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    return _PROBLEMS.get(detail["type"], said)


def _path(location: tuple[int | str, ...]) -> str:
    """`("models", 3, "dataset", "DatasetEntry", "name")` becomes `models[3].dataset.name`."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif step not in ("DatasetEntry", "str"):
            path += f".{step}" if path else step
    return path
