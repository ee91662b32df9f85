"""Exports a recommended configuration: the artifact with what serves it as it was measured, whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from msearch_client._artifacts import OnProgress, digest_of
from msearch_client._catalogue import Model
from msearch_client._errors import LocalError
from msearch_client._form_calls import FormCalls
from msearch_client._packaging import package_of, with_files
from msearch_client._profiles import Profile
from msearch_client._recommendations import Configuration
from msearch_deployment.serving import (
    PYTHON,
    REPOSITORY,
    Package,
    config_pbtxt,
    program,
    program_name,
    readme,
    repository_name,
    triton_backend,
    triton_model,
)

_ONE_VERSION = "1"
_CARD = "card.json"


class ExportCalls(FormCalls):
    """Export what was recommended."""

    def export(
        self, configuration: Configuration, folder: str | os.PathLike[str], *, progress: OnProgress | None = None
    ) -> Path:
        """Writes a configuration with everything that serves it as it was measured, and returns the folder.

        What was measured, byte for byte: the registered artifact, or what the agent made of it and the service keeps.
        With it its card, the measured figures, a program for the backend's runtime, a Triton model repository, a
        README, and the digests of all. The folder appears whole or not at all.

        Args:
            configuration: one of a recommendation; it must have been measured.
            folder: where to write; it must not exist, or be empty.
            progress: called with (bytes received, bytes in all).

        Raises:
            LocalError: the folder is taken or cannot be written, nothing was measured, what the agent made was not
                kept, or there is no ready configuration for its backend.
            NotFoundError: the model is gone.
        """
        target = Path(folder).absolute()
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise LocalError(f"{target} exists already", hint="name a folder that does not exist, or is empty")
        model = self.get_model(configuration.model)
        package = package_of(model, configuration)
        profile = configuration.profile
        assert profile is not None  # noqa: S101 - `package_of` looked
        with _appearing(target) as unfinished:
            package = self._fetch(model, profile, package, unfinished / ".downloaded", progress)
            _write(unfinished, model, configuration, package)
            _write_repository(unfinished, package)
            _write_text(unfinished / "SHA256SUMS", _sums(unfinished))
        return target

    def _fetch(
        self, model: Model, profile: Profile, package: Package, path: Path, progress: OnProgress | None
    ) -> Package:
        """Puts what was measured beside `path`, and gives the package with the digests of its files."""
        if package.made:
            self.download_form(profile, path, progress=progress)
        else:
            self.download_artifact(model, path, progress=progress)
        return with_files(package, path)


def _write(folder: Path, model: Model, configuration: Configuration, package: Package) -> None:
    _write_text(folder / _CARD, _pretty(json.loads(model.card_json)))
    _write_text(folder / "measured.json", _pretty(_measured(model, configuration, package)))
    _write_text(folder / program_name(package), program(package))
    _write_text(folder / "README.md", readme(package, _shown(configuration)))


def _write_repository(folder: Path, package: Package) -> None:
    """Triton's: the files, and where it runs the program, that too with all that the program reads."""
    version = folder / REPOSITORY / repository_name(package.identity) / _ONE_VERSION
    version.mkdir(parents=True)
    names = [*package.digests]
    if triton_backend(package) == PYTHON:
        _write_text(version / "model.py", triton_model(package))
        names += [program_name(package), _CARD]
    for name in names:
        shutil.copyfile(folder / name, version / name)
    _write_text(version.parent / "config.pbtxt", config_pbtxt(package))


def _measured(model: Model, configuration: Configuration, package: Package) -> dict[str, Any]:
    """Every figure with its interval and origin, and what it was measured on."""
    profile = configuration.profile
    assert profile is not None  # noqa: S101 - `package_of` looked
    document = configuration.to_dict()
    return {
        "model": package.identity,
        "model_id": model.id,
        "sha256": dict(package.digests),
        "made_by_the_agent": package.made,
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
            low, high = figure.low, figure.high
            ends = "" if low is None or high is None else f" ({_number(low)} to {_number(high)})"
            rows[name] = f"{_number(figure.value)}{ends}, {figure.origin}"
    if configuration.capacity_per_s is not None:
        rows["one replica takes"] = f"{configuration.capacity_per_s:.4g}/s ({configuration.capacity_load})"
    if configuration.profile is not None:
        rows["profile"] = configuration.profile.id
    return rows


def _number(value: float) -> str:
    """As people read it: bytes are many, and nobody reads 1.07e+08."""
    return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


def _write_text(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _sums(folder: Path) -> str:
    """As sha256sum writes it, of every file."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return "".join(f"{digest_of(path)}  {path.relative_to(folder).as_posix()}\n" for path in files)


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
