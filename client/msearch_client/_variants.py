"""Variants: the deployable forms of a model, and their short text ("onnxruntime int8_static batch=8")."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from msearch_client._errors import LocalError
from msearch_client._records import Record

HINT = 'for example "onnxruntime int8_static batch=8 threads=2", "torch fp32 mode=channels_last device=cuda:0"'


class Precision(StrEnum):
    """The numeric form a variant computes in."""

    FP32 = "fp32"
    BF16 = "bf16"
    FP16 = "fp16"
    INT8_DYNAMIC = "int8_dynamic"
    INT8_STATIC = "int8_static"


def parse_precision(text: str) -> Precision:
    """The precision of that name; "int8-static" is taken for "int8_static".

    Raises:
        LocalError: there is no such precision.
    """
    try:
        return Precision(text.replace("-", "_").lower())
    except ValueError:
        raise LocalError(f"precision {text!r} is unknown", hint=f"known: {', '.join(Precision)}") from None


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant(Record):
    """A deployable form of a model; `str(variant)` is its short text and `Variant.parse` reads it.

    `batch_size` is how many samples a call takes, `threads` how many it uses on a CPU; `mode` is the backend's own;
    an empty `device` lets the backend choose its best one.
    """

    backend: str
    precision: Precision = Precision.FP32
    batch_size: int = 1
    threads: int = 1
    mode: str = ""
    device: str = ""

    @classmethod
    def parse(cls, text: str) -> Variant:
        """The variant of a short text: backend, precision (fp32 if it is left out), then name=value in any order.

        Raises:
            LocalError: the text is not of that form.
        """
        words = text.split()
        if not words or "=" in words[0]:
            raise LocalError(f"the variant {text!r} does not begin with a backend", hint=HINT)
        precision = Precision.FP32
        options = words[1:]
        if options and "=" not in options[0]:
            precision = parse_precision(options.pop(0))
        values: dict[str, str] = {}
        for option in options:
            name, equals, value = option.partition("=")
            if not equals or not value or name not in ("batch", "threads", "mode", "device"):
                problem = f"{option!r} is not one of batch=N, threads=N, mode=NAME, device=NAME"
                raise LocalError(f"the variant {text!r} is wrong: {problem}", hint=HINT)
            if name in values:
                raise LocalError(f"the variant {text!r} gives {name} twice", hint=HINT)
            values[name] = value
        return cls(
            backend=words[0],
            precision=precision,
            batch_size=_read_count(text, "batch", values),
            threads=_read_count(text, "threads", values),
            mode=values.get("mode", ""),
            device=values.get("device", ""),
        )

    def __str__(self) -> str:
        parts = [self.backend, self.precision.value]
        if self.batch_size != 1:
            parts.append(f"batch={self.batch_size}")
        if self.threads != 1:
            parts.append(f"threads={self.threads}")
        if self.mode:
            parts.append(f"mode={self.mode}")
        if self.device:
            parts.append(f"device={self.device}")
        return " ".join(parts)


def as_variants(variants: str | Variant | Iterable[str | Variant]) -> tuple[Variant, ...]:
    """Variants from one or several, each a text or a variant; each distinct one once.

    Raises:
        LocalError: a text is not that of a variant.
    """
    given = [variants] if isinstance(variants, (str, Variant)) else list(variants)
    return tuple(dict.fromkeys(Variant.parse(item) if isinstance(item, str) else item for item in given))


def cross(backends: Sequence[str], precisions: Sequence[str]) -> tuple[Variant, ...]:
    """Every backend in every precision.

    Raises:
        LocalError: there is no such precision.
    """
    chosen = [parse_precision(text) for text in precisions] or [Precision.FP32]
    return tuple(
        Variant(backend=backend, precision=precision) for backend, precision in itertools.product(backends, chosen)
    )


def _read_count(text: str, name: str, values: dict[str, str]) -> int:
    given = values.get(name, "1")
    if not given.isascii() or not given.isdigit() or not 1 <= int(given) <= 65536:
        raise LocalError(
            f"the variant {text!r} is wrong: {name} must be a whole number from 1, not {given!r}", hint=HINT
        )
    return int(given)
