"""Runs TensorRT engines on torch's CUDA tensors. Imports torch."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from profiler_agent.backends._feeds import check_feed
from profiler_agent.backends._tensorrt_library import Library, Messages
from profiler_agent.backends.base import CompileFacts, Feed
from profiler_agent.errors import CompileFailed, UnsupportedOperator, WrongOutput
from profiler_agent.work import TensorSpec

_RTX_CAPABILITIES = "7.5, 8.6, 8.9 and 12.x"


class UnusableEngine(CompileFailed):
    """The engine cannot be loaded here, for example because it was built for something else."""


class TensorRtModel:
    """An engine with its execution context, on a stream of its own."""

    def __init__(
        self,
        library: Library,
        plan: bytes,
        *,
        device: str,
        batch_size: int,
        specs: tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]],
        facts: CompileFacts,
    ) -> None:
        self.inputs, self.outputs = specs
        self.facts = facts
        self._library = library
        self._messages = Messages(library.module)
        self._device = torch.device(device)
        self._batch_size = max(batch_size, 1)
        self._buffers: dict[str, torch.Tensor] = {}
        self._runtime: Any = None
        self._engine: Any = None
        self._context: Any = None
        try:
            self._open(plan)
        except BaseException:
            self.close()  # the traceback keeps this object; see `_tensorrt_builder.build_engine`
            raise

    def _open(self, plan: bytes) -> None:
        library = self._library
        with torch.cuda.device(self._device):
            self._runtime = library.module.Runtime(self._messages.logger)
            self._engine = self._runtime.deserialize_cuda_engine(plan)
            if self._engine is None:
                raise UnusableEngine(f"{library} cannot load the engine: {self._words()}")
            self._context = self._engine.create_execution_context()
            if self._context is None:
                raise UnusableEngine(f"{library} cannot run the engine on {self._device}: {self._words()}")
            self._stream = torch.cuda.Stream(self._device)  # type: ignore[no-untyped-call]
        self._types = {spec.name: self._torch_type(spec.name) for spec in (*self.inputs, *self.outputs)}

    def run(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        """Copies to the device, runs, copies back. More rows than the engine takes are run in several parts."""
        if self._context is None:
            raise ValueError("the compiled model was closed")
        check_feed(feed, self.inputs)
        rows = max((len(array) for array in feed.values() if array.ndim), default=1)
        if rows <= self._batch_size:
            return self._run_part(feed)
        parts = [
            self._run_part({name: array[start : start + self._batch_size] for name, array in feed.items()})
            for start in range(0, rows, self._batch_size)
        ]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def close(self) -> None:
        """Gives back the device memory."""
        self._buffers.clear()
        self._context = self._engine = self._runtime = None

    def _run_part(self, feed: Feed) -> dict[str, NDArray[np.generic]]:
        context = self._context
        with torch.cuda.device(self._device), torch.cuda.stream(self._stream):
            for name, array in feed.items():
                host = torch.from_numpy(np.ascontiguousarray(array))
                buffer = self._buffer(name, tuple(host.shape))
                buffer.copy_(host, non_blocking=True)
                self._check(
                    context.set_input_shape(name, tuple(host.shape)), f"takes no {name!r} of {list(host.shape)}"
                )
            for spec in self.outputs:
                shape = tuple(context.get_tensor_shape(spec.name))
                if any(extent < 0 for extent in shape):
                    raise WrongOutput(
                        f"the shape of the output {spec.name!r} depends on values, which is not supported"
                    )
                self._buffer(spec.name, shape)
            for name in (*feed, *(spec.name for spec in self.outputs)):
                self._check(
                    context.set_tensor_address(name, self._buffers[name].data_ptr()), f"takes no memory for {name!r}"
                )
            self._check(context.execute_async_v3(self._stream.cuda_stream), "cannot run")
            results = {spec.name: _copied(self._buffers[spec.name]) for spec in self.outputs}
            self._stream.synchronize()
        return {
            name: (value.float() if value.dtype == torch.bfloat16 else value).numpy() for name, value in results.items()
        }

    def _buffer(self, name: str, shape: tuple[int, ...]) -> torch.Tensor:
        buffer = self._buffers.get(name)
        if buffer is None or tuple(buffer.shape) != shape:
            buffer = torch.empty(shape, dtype=self._types[name], device=self._device)
            self._buffers[name] = buffer
        return buffer

    def _torch_type(self, name: str) -> torch.dtype:
        kinds = self._library.module.DataType
        known = {
            "FLOAT": torch.float32,
            "HALF": torch.float16,
            "BF16": torch.bfloat16,
            "INT8": torch.int8,
            "INT32": torch.int32,
            "INT64": torch.int64,
            "BOOL": torch.bool,
            "UINT8": torch.uint8,
        }
        found = self._engine.get_tensor_dtype(name)
        for word, kind in known.items():
            if getattr(kinds, word, None) == found:
                return kind
        raise UnsupportedOperator(f"{self._library} gives {name!r} the type {found}, which cannot be handed over")

    def _check(self, done: bool, words: str) -> None:
        if not done:
            raise WrongOutput(f"{self._library} {words}: {self._messages.errors()}")

    def _words(self) -> str:
        hint = f" (TensorRT for RTX supports GPUs of {_RTX_CAPABILITIES})" if "RTX" in self._library.flavour else ""
        return f"{self._messages.errors()}{hint}"


def _copied(buffer: torch.Tensor) -> torch.Tensor:
    """The values on the host, in memory of their own."""
    return torch.empty_like(buffer, device="cpu").copy_(buffer, non_blocking=True)
