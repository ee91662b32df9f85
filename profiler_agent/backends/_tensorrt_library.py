"""Finds the TensorRT that is installed, and collects what it says. Nothing here imports it before it is asked to."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from typing import Any

MODULES = {
    "tensorrt": "TensorRT",
    "tensorrt_rtx": "TensorRT for RTX",
    "tensorrt_rtx_bindings": "TensorRT for RTX",  # what the wheels of TensorRT for RTX install
}
INSTALL = (
    "install TensorRT for RTX (pip install tensorrt-rtx-cu13-libs tensorrt-rtx-cu13-bindings) or, on a data-centre GPU,"
    " NVIDIA's TensorRT (pip install tensorrt)"
)
_NO_TF32 = {"NVIDIA_TF32_OVERRIDE": "0"}
"""TensorRT for RTX chooses kernels when an engine is loaded, whatever its builder was told: without this, fp32 is
computed in TF32 on a GPU that has it, with 10 bits of mantissa. The library reads it once, when it is loaded."""

_MOST_MESSAGES = 200
_LONGEST_MESSAGE = 1_000
_LAYERS = "Engine Layer Information"


@dataclass(frozen=True, slots=True)
class Library:
    """An importable TensorRT. `module` is its Python module."""

    module: Any
    flavour: str
    version: str

    def __str__(self) -> str:
        return f"{self.flavour} {self.version}"


class LibraryMissing(Exception):
    """No TensorRT can be imported; the message says why and how to get one."""


def find_library(modules: dict[str, str] | None = None) -> Library:
    """The first TensorRT that imports and is whole.

    Raises:
        LibraryMissing: there is none. A half-installed one fails in any way on import, which is told, not raised.
    """
    reasons = []
    os.environ.update(_NO_TF32)
    for name, flavour in (MODULES if modules is None else modules).items():
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                reasons.append(f"{name}: {error}")
        except Exception as error:  # noqa: BLE001 - ImportError, OSError, RuntimeError, AttributeError have been seen
            reasons.append(f"{name}: {str(error) or type(error).__name__}")
        else:
            if hasattr(module, "Builder") and hasattr(module, "OnnxParser"):
                return Library(module, flavour, str(getattr(module, "__version__", "of unknown version")))
            reasons.append(f"{name}: it has no builder, so only part of it is installed")
    words = f" ({'; '.join(' '.join(reason.split())[:300] for reason in reasons)})" if reasons else ""
    raise LibraryMissing(f"no TensorRT can be imported{words}; {INSTALL}")


class Messages:
    """What TensorRT said, least important left out. `logger` is what its objects want."""

    def __init__(self, module: Any) -> None:
        self._said: list[tuple[int, str]] = []
        said = self._said
        levels = {
            module.ILogger.INTERNAL_ERROR: 0,
            module.ILogger.ERROR: 1,
            module.ILogger.WARNING: 2,
            module.ILogger.INFO: 3,
        }

        class Logger(module.ILogger):  # type: ignore[misc] # the base is known at run time only
            def __init__(self) -> None:
                module.ILogger.__init__(self)

            def log(self, severity: Any, text: str) -> None:
                level = levels.get(severity, 4)
                if (level <= 3 or text.startswith(_LAYERS)) and len(said) < _MOST_MESSAGES:
                    said.append((level, text[:_LONGEST_MESSAGE]))

        self.logger = Logger()

    def errors(self) -> str:
        """The errors in one line, without repetition."""
        lines = [" ".join(text.split()) for level, text in self._said if level <= 1]
        return "; ".join(dict.fromkeys(lines)) or "it gives no reason"

    def layers(self) -> str:
        """The layers of the engine that was built, as TensorRT writes them; empty if it did not say."""
        return next((text.partition("\n")[2] for _, text in self._said if text.startswith(_LAYERS)), "")

    def warnings(self) -> str:
        """The warnings in one line."""
        return "; ".join(dict.fromkeys(" ".join(text.split()) for level, text in self._said if level == 2))
