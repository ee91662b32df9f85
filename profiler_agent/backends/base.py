"""What a backend is. One file each beside this one, with a module-level `BACKEND`; runtimes are imported in methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from profiler_agent.work import Precision, TensorSpec, Variant

Feed = Mapping[str, NDArray[Any]]
"""Tensors by name, each with the batch on its first axis."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Whether a backend can be used here. Where it cannot, `detail` says why and how to install it."""

    available: bool
    detail: str
    version: str = ""
    devices: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    modes: tuple[str, ...] = ("",)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileRequest:
    """What to compile.

    `artifact` is a local file of `format` ("onnx" or "torch_export"), None for null and remote. `calibration` are
    feeds of real rows for int8_static, each of at most 32 rows. `cache` is a folder shared by all jobs of the host, for
    what can be kept; `workspace` is private to this process. `remote_target` is for the backend "remote".
    `largest_batch`: rows that one call may get, at least the variant's batch size; for backends that must know.
    `quantised`: the artifact is a file that this backend made for the variant before, and is loaded as it is.
    """

    variant: Variant
    artifact: Path | None
    format: str
    digest: str
    cache: Path
    workspace: Path
    calibration: Sequence[Feed] = ()
    remote_target: str = ""
    largest_batch: int = 1
    quantised: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeFile:
    """A file in the cache that a backend made of the artifact and then loaded, as any other program could load it.

    `format` as in profiles.proto. `bound_to` names what alone can load it; empty where any host can.
    """

    path: Path
    format: str
    bound_to: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileFacts:
    """How the compilation went. `from_cache`: a kept result was loaded. `details` e.g. providers, engine messages.

    `made` is None where the runtime reads the artifact itself.
    """

    compile_ns: int
    load_ns: int
    from_cache: bool
    device: str
    size_bytes: int
    details: Mapping[str, str] = field(default_factory=dict)
    made: MadeFile | None = None


class CompiledModel(Protocol):
    """A model ready to run, on one device, in this process. Not safe to share between threads."""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def outputs(self) -> tuple[TensorSpec, ...]: ...
    @property
    def facts(self) -> CompileFacts: ...

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """One inference; returns when the outputs are there, on the host."""

    def close(self) -> None:
        """Gives back what it holds."""


class Backend(Protocol):
    """Compiles models. `formats` it reads: "onnx", "torch_export"; empty for those that take no artifact."""

    @property
    def name(self) -> str: ...
    @property
    def formats(self) -> tuple[str, ...]: ...

    def probe(self) -> Probe:
        """Whether it can be used here. Never raises, and is quick: at most a second or two."""

    def compile(self, request: CompileRequest) -> CompiledModel:
        """Compiles, or loads what was kept of an earlier compilation.

        Raises:
            BackendUnavailable: the device, precision or mode is not to be had here.
            UnsupportedOperator: an operator or the format is not supported.
            CompileFailed: anything else that the runtime says, with its own words.
        """
