"""Loads programs of torch.export without running code of their author (see `_torch_archives`). Imports torch."""

from __future__ import annotations

import contextlib
import logging
import threading
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch.export import ExportedProgram

from msearch_running.errors import LoadFailed, MissingOperator, RunError
from msearch_running.runtimes._torch_archives import clean_copy
from msearch_running.tensors import TensorSpec

_LOADING = threading.Lock()


@dataclass(frozen=True, slots=True)
class Program:
    """A loaded program. `module` takes tensors in the order of `inputs`, gives a tuple in that of `outputs`."""

    exported: ExportedProgram
    module: torch.fx.GraphModule
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


def load_program(artifact: Path, clean: Path) -> Program:
    """Reads the artifact; `clean` takes a copy without anything that could run, and is removed again.

    Raises:
        RefusedArtifact: it holds pickled objects, native code, or names what is no operator.
        MissingOperator: an operator is not part of PyTorch.
        LoadFailed: it cannot be loaded.
    """
    targets = clean_copy(artifact, clean)
    try:
        _check_operators(targets)
        with _LOADING:  # torch keeps the deserialiser in a global
            exported = _load(clean)
        module = _flattened(exported.module(check_guards=False))
        inputs, outputs = _specs(exported)
    except Exception as error:  # noqa: BLE001 - torch raises anything
        raise describe_failure(error, "the program cannot be loaded") from None
    finally:
        clean.unlink(missing_ok=True)
    return Program(exported, module, inputs, outputs)


def describe_failure(error: Exception, doing: str) -> RunError:
    """What torch says, in a word of ours."""
    if isinstance(error, RunError):
        return error
    words = " ".join(str(error).split())[:2_000] or type(error).__name__
    if isinstance(error, NotImplementedError) or "Could not find schema" in words or "has no attribute" in words:
        return MissingOperator(f"{doing}: {words}")
    return LoadFailed(f"{doing}: {words}")


def _check_operators(targets: Iterable[str]) -> None:
    for target in sorted(targets):
        found: Any = torch
        for name in target.split(".")[1:] if target.startswith("torch.ops.") else ():
            found = getattr(found, name, None)
        if found is None:
            raise MissingOperator(f"PyTorch {torch.__version__} has no operator {target}")


def _load(path: Path) -> ExportedProgram:
    """Calls torch.export.load, whose errors say no more than that there is a reason in the log."""
    reasons: list[BaseException] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info and record.exc_info[1]:
                reasons.append(record.exc_info[1])

    logger, listener = logging.getLogger("torch.export"), Listener()
    before, propagate = logging.root.manager.disable, logger.propagate
    logging.disable(logging.NOTSET)
    logger.addHandler(listener)
    logger.propagate = False
    try:
        return torch.export.load(path)
    except RuntimeError as error:
        raise (reasons[0] if reasons else error) from None
    finally:
        logger.removeHandler(listener)
        logger.propagate = propagate
        logging.disable(before)


def _flattened(module: torch.fx.GraphModule) -> torch.fx.GraphModule:
    """Without the nesting of arguments and the checks before each call, which cost more than a small model itself."""
    module.graph.set_codegen(torch.fx.graph.CodeGen())
    module._forward_pre_hooks.clear()  # noqa: SLF001 - torch offers no other way; who calls checks
    module.recompile()
    return module


def _specs(exported: ExportedProgram) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    signature = exported.graph_signature
    values = {node.name: node.meta.get("val") for node in exported.graph.nodes}
    for name in (*signature.user_inputs, *signature.user_outputs):
        if not hasattr(values.get(str(name)), "dtype"):
            raise LoadFailed(f"the program takes or gives {name!r}, which is no tensor")
    inputs = [_spec(str(name), values[str(name)]) for name in signature.user_inputs]
    names = [str(name) for name in signature.user_outputs]
    out_spec = exported.call_spec.out_spec
    if out_spec is not None and out_spec.type is dict and len(out_spec.context) == len(names):
        outputs = [_spec(str(key), values[name]) for key, name in zip(out_spec.context, names, strict=True)]
    else:
        outputs = [_spec(name, values[name]) for name in names]
    batch = inputs[0].shape[0] if inputs and inputs[0].shape else None
    return _named_batch(inputs, batch), _named_batch(outputs, batch)


def _spec(name: str, value: Any) -> TensorSpec:
    shape = tuple(extent if isinstance(extent, int) else str(extent) for extent in value.shape)
    return TensorSpec(name=name, element_type=str(value.dtype).removeprefix("torch."), shape=shape)


def _named_batch(specs: list[TensorSpec], batch: int | str | None) -> tuple[TensorSpec, ...]:
    """PyTorch calls a free batch s40 or so."""
    if not isinstance(batch, str):
        return tuple(specs)
    renamed = {batch: "batch"}
    return tuple(replace(spec, shape=tuple(renamed.get(str(d), d) for d in spec.shape)) for spec in specs)


@contextlib.contextmanager
def silenced() -> Iterator[None]:
    """Keeps the loggers and warnings of torch from the terminal."""
    disabled = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(disabled)
