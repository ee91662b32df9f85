"""What of a configuration is deployed, in the words of `msearch_deployment.serving`."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from msearch_client._artifacts import digest_of
from msearch_client._catalogue import Model
from msearch_client._catalogue import Tensor as ModelTensor
from msearch_client._errors import LocalError
from msearch_client._profiles import Form, Profile
from msearch_client._recommendations import Configuration
from msearch_deployment.serving import FILES, Package, Tensor, Unservable, check_servable, config_pbtxt

_ANOTHER = "--pick N exports another of the recommended ones"
_BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})


def package_of(model: Model, configuration: Configuration) -> Package:
    """The package of a measured configuration; of the files of an archive `with_files` says the digests.

    Raises:
        LocalError: nothing was measured, what the agent made was not kept, or nothing serves it as it was measured.
    """
    profile, variant = configuration.profile, configuration.variant
    if profile is None:
        raise LocalError(
            f"{configuration} was not measured, so there is nothing to export it with",
            hint=f"msearch-cli profile {model.name}@{model.version} --load {configuration.load}",
        )
    form = _made(model, profile)
    batching = profile.load.batching
    measured_format = model.artifact.format if form is None else form.format
    told = profile.form if form is not None or not model.inputs else None
    package = Package(
        identity=f"{model.name}@{model.version}",
        format=measured_format,
        digests=dict.fromkeys(FILES.get(measured_format, ()), model.artifact.digest if form is None else form.digest),
        made=form is not None,
        backend=variant.backend,
        precision=variant.precision.value,
        batch_size=variant.batch_size,
        threads=variant.threads,
        mode=variant.mode,
        device=variant.device,
        inputs=_tensors(model.inputs if told is None else told.inputs),
        outputs=_tensors(model.outputs if told is None else told.outputs),
        joined_batch=1 if batching is None else batching.max_batch,
        joined_wait_us=0 if batching is None else round(batching.max_wait_ms * 1e3),
        version=profile.versions.get("torch" if variant.backend == "inductor" else variant.backend, ""),
        bound_to={} if form is None else form.bound_to,
        bf16_host=bool(_BF16_FLAGS & set(_cpu_flags(profile))),
    )
    try:
        check_servable(package)
        config_pbtxt(package)
    except Unservable as error:
        raise LocalError(f"{configuration} cannot be exported: {error}", hint=_ANOTHER) from None
    if form is not None and not form.kept:
        raise LocalError(
            f"{configuration} cannot be exported: the agent made {form.size_bytes / 2**20:,.1f} MiB of the artifact, "
            "which the service does not keep",
            hint="raise --largest-form of the agent, or MSEARCH_LARGEST_ARTIFACT_BYTES of the service, and measure it "
            f"again; {_ANOTHER}",
        )
    return package


def with_files(package: Package, downloaded: Path) -> Package:
    """Puts the files of the package beside what was downloaded, which goes, and gives the package with their digests.

    Raises:
        LocalError: an archive does not hold the files that its format has, and nothing else.
    """
    names = FILES[package.format]
    if len(names) == 1:
        downloaded.replace(downloaded.with_name(names[0]))
    else:
        _extract(downloaded, names)
        downloaded.unlink()
    return replace(package, digests={name: digest_of(downloaded.with_name(name)) for name in names})


def _extract(archive: Path, names: tuple[str, ...]) -> None:
    try:
        with zipfile.ZipFile(archive) as opened:
            if sorted(opened.namelist()) != sorted(names):
                raise LocalError(f"what the agent made holds {', '.join(opened.namelist())[:200]}, not {names}")
            for name in names:
                with opened.open(name) as source, archive.with_name(name).open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
    except zipfile.BadZipFile as error:
        raise LocalError(f"what the agent made is no archive of {', '.join(names)}: {error}") from None


def _made(model: Model, profile: Profile) -> Form | None:
    """What the agent made; None where the artifact was measured, and for profiles that do not say."""
    form = profile.form
    if form is None or form.digest == model.artifact.digest or not (form.kept or model.artifact.stored):
        return None
    return form


def _tensors(tensors: Iterable[ModelTensor]) -> tuple[Tensor, ...]:
    return tuple(Tensor(name=one.name, element_type=one.element_type, shape=one.shape) for one in tensors)


def _cpu_flags(profile: Profile) -> Iterable[str]:
    cpu = profile.host.get("cpu")
    flags = cpu.get("isa") if isinstance(cpu, dict) else None
    return [str(flag) for flag in flags] if isinstance(flags, list) else ()
