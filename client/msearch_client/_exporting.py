"""Exports a recommended configuration: the artifact with what serves it as it was measured, whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msearch_client._artifacts import OnProgress
from msearch_client._catalogue import Model
from msearch_client._catalogue import Tensor as ModelTensor
from msearch_client._errors import LocalError
from msearch_client._models import ModelCalls
from msearch_client._recommendations import Configuration
from msearch_deployment.serving import (
    MODEL_FILE,
    Package,
    Tensor,
    Unservable,
    check_servable,
    config_pbtxt,
    program,
    program_name,
    readme,
    repository_name,
)

_ONE_VERSION = "1"


class ExportCalls(ModelCalls):
    """Export what was recommended."""

    def export(
        self, configuration: Configuration, folder: str | os.PathLike[str], *, progress: OnProgress | None = None
    ) -> Path:
        """Writes a configuration with everything that serves it as it was measured, and returns the folder.

        model.onnx, its card, the measured figures, a program for the backend's runtime, a Triton model repository, a
        README, and the digests of all. The folder appears whole or not at all.

        Args:
            configuration: one of a recommendation; it must have been measured.
            folder: where to write; it must not exist, or be empty.
            progress: called with (bytes received, bytes in all).

        Raises:
            LocalError: the folder is taken or cannot be written, nothing was measured, the agent made the form itself,
                or there is no ready configuration for its backend or format.
            NotFoundError: the model is gone.
        """
        target = Path(folder).absolute()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise LocalError(f"{target} exists already", hint="name a folder that does not exist, or is empty")
        model = self.get_model(configuration.model)
        package = _package(model, configuration)
        with _appearing(target) as unfinished:
            artifact = self.download_artifact(model, unfinished / MODEL_FILE, progress=progress)
            _write(unfinished, model, configuration, package)
            version = unfinished / "triton" / repository_name(package.identity) / _ONE_VERSION
            version.mkdir(parents=True)
            shutil.copyfile(artifact, version / MODEL_FILE)
            _write_text(version.parent / "config.pbtxt", config_pbtxt(package))
            _write_text(unfinished / "SHA256SUMS", _sums(unfinished))
        return target


def _package(model: Model, configuration: Configuration) -> Package:
    profile, variant = configuration.profile, configuration.variant
    if profile is None:
        raise LocalError(
            f"{configuration} was not measured, so there is nothing to export it with",
            hint=f"msearch-cli profile {model.name}@{model.version} --load {configuration.load}",
        )
    if model.artifact.format != "onnx":
        raise LocalError(
            f"there is no ready configuration for artifacts of the format {model.artifact.format}, only onnx"
        )
    batching = profile.load.batching
    package = Package(
        identity=f"{model.name}@{model.version}",
        digest=model.artifact.digest,
        backend=variant.backend,
        precision=variant.precision.value,
        batch_size=variant.batch_size,
        threads=variant.threads,
        mode=variant.mode,
        device=variant.device,
        inputs=tuple(map(_tensor, model.inputs)),
        outputs=tuple(map(_tensor, model.outputs)),
        joined_batch=1 if batching is None else batching.max_batch,
        joined_wait_us=0 if batching is None else round(batching.max_wait_ms * 1e3),
        version=profile.versions.get(variant.backend, ""),
    )
    try:
        check_servable(package)
        config_pbtxt(package)
    except Unservable as error:
        raise LocalError(
            f"{configuration} cannot be exported: {error}", hint="--pick N exports another of the recommended ones"
        ) from None
    return package


def _tensor(tensor: ModelTensor) -> Tensor:
    return Tensor(name=tensor.name, element_type=tensor.element_type, shape=tensor.shape)


def _write(folder: Path, model: Model, configuration: Configuration, package: Package) -> None:
    _write_text(folder / "card.json", _pretty(json.loads(model.card_json)))
    _write_text(folder / "measured.json", _pretty(_measured(model, configuration, package)))
    _write_text(folder / program_name(package), program(package))
    _write_text(folder / "README.md", readme(package, _shown(configuration)))


def _measured(model: Model, configuration: Configuration, package: Package) -> dict[str, Any]:
    """Every figure with its interval and origin, and what it was measured on."""
    profile = configuration.profile
    assert profile is not None  # noqa: S101 - `_package` looked
    document = configuration.to_dict()
    return {
        "model": package.identity,
        "model_id": model.id,
        "sha256": package.digest,
        "form": package.form,
        "profile_id": profile.id,
        "measured_at": None if profile.created_at is None else profile.created_at.isoformat(),
        "versions": dict(profile.versions),
        "host": profile.host,
        **{name: document[name] for name in ("variant", "host_class", "load", "figures")},
        **{name: document[name] for name in document if name.startswith("capacity_")},
    }


def _shown(configuration: Configuration) -> Mapping[str, str]:
    rows = {"host class": configuration.host_class, "load": configuration.load}
    for name in ("accuracy", "p50_ms", "p99_ms", "throughput_per_s", "peak_memory_bytes", "replicas", "usd_per_hour"):
        figure = configuration.figures.get(name)
        if figure is not None:
            ends = "" if figure.low is None or figure.high is None else f" ({figure.low:.4g} to {figure.high:.4g})"
            rows[name] = f"{figure.value:.4g}{ends}, {figure.origin}"
    if configuration.capacity_per_s is not None:
        rows["one replica takes"] = f"{configuration.capacity_per_s:.4g}/s ({configuration.capacity_load})"
    if configuration.profile is not None:
        rows["profile"] = configuration.profile.id
    return rows


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _sums(folder: Path) -> str:
    """As sha256sum writes it, of every file."""
    lines = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        lines.append(f"{digest}  {path.relative_to(folder).as_posix()}\n")
    return "".join(lines)


@contextlib.contextmanager
def _appearing(target: Path) -> Iterator[Path]:
    """A folder beside the target that becomes it at the end, or vanishes.

    Raises:
        LocalError: it cannot be written.
    """
    try:
        unfinished = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    except OSError as error:
        raise LocalError(f"cannot write {target}: {error.strerror or error}") from None
    try:
        yield unfinished
        # mkdtemp makes the folder private; this one has the permissions that any new folder of this user has.
        mask = os.umask(0)
        os.umask(mask)
        unfinished.chmod(0o777 & ~mask)
        unfinished.replace(target)
    except OSError as error:
        raise LocalError(f"cannot write {target}: {error.strerror or error}") from None
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
