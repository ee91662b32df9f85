"""Programs of torch.export, by PyTorch on the CPU."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_running.errors import RuntimeMissing, WrongOutput
from msearch_running.noise import add_noise, noise_generator
from msearch_running.tensors import Feed

PACKAGES = ("torch",)


def load(artifact: Path, *, threads: int) -> TorchModel:
    """See `models.load_model`. `threads` holds for the whole process, as PyTorch wants it."""
    try:
        import torch  # noqa: PLC0415 - an optional dependency

        from msearch_running.runtimes import _torch_programs as programs  # noqa: PLC0415 - imports torch
    except ImportError as error:
        raise RuntimeMissing(
            f"a program of torch.export needs PyTorch ({error}): pip install 'msearch[torch]'"
        ) from None
    torch.set_num_threads(threads)
    with programs.silenced(), tempfile.TemporaryDirectory(prefix="msearch-") as folder:
        return TorchModel(programs.load_program(artifact, Path(folder) / "clean.pt2"))


class TorchModel:
    """A loaded program; `noisy` are weights by name that stand in for its own."""

    def __init__(self, program: Any, noisy: Mapping[str, Any] | None = None) -> None:
        self.inputs = program.inputs
        self._program = program
        self._noisy = dict(noisy or {})

    @property
    def has_weights(self) -> bool:
        """See `LoadedModel`."""
        return bool(self._weights())

    def run(self, feed: Feed) -> dict[str, NDArray[Any]]:
        """See `LoadedModel`."""
        import torch  # noqa: PLC0415 - an optional dependency

        try:
            tensors = tuple(torch.from_numpy(np.ascontiguousarray(feed[spec.name])) for spec in self.inputs)
            with torch.inference_mode():
                values = torch.func.functional_call(self._program.module, self._noisy, tensors)
        except Exception as error:  # noqa: BLE001 - torch raises anything
            raise WrongOutput(f"the model fails on these rows: {' '.join(str(error).split())[:2_000]}") from None
        return {spec.name: value.numpy(force=True) for spec, value in zip(self._program.outputs, values, strict=True)}

    def with_noise(self, eta: float, seed: int) -> TorchModel:
        """See `LoadedModel`."""
        import torch  # noqa: PLC0415 - an optional dependency

        random = noise_generator(seed)
        noisy = {
            name: torch.from_numpy(add_noise(weights.detach().double().numpy(), eta, random)).to(weights.dtype)
            for name, weights in self._weights().items()
        }
        return TorchModel(self._program, noisy)

    def _weights(self) -> dict[str, Any]:
        """Floating parameters and buffers of two or more dimensions, in the order of the program."""
        state = self._program.module.state_dict()
        return {name: value for name, value in state.items() if value.ndim > 1 and value.is_floating_point()}
