"""Checks what a job asks for, and gives it in its canonical form."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import fields, replace
from urllib.parse import urlsplit

from search_service.domain.loads import check_load, format_load
from search_service.domain.profiling import MODEL_FREE_BACKENDS, JobSpec, RunLimits, Variant
from search_service.usecases.fields import LONGEST_NAME, check_text, invalid

MOST_VARIANTS = 100
MOST_LOADS = 100
MOST_PROFILES = 1000
MOST_LABELS = 50
LARGEST_BATCH = 65_536
MOST_THREADS = 1024
LONGEST_DEADLINE_S = 86_400.0
LARGEST_MEMORY_BYTES = 1 << 44
SMALLEST_MEMORY_BYTES = 64 << 20
LONGEST_TARGET = 2000

_LARGEST: dict[str, float] = {
    "min_duration_s": 86_400.0,
    "min_queries": 10**9,
    "max_duration_s": 86_400.0,
    "repeats": 100,
    "precision": 1.0,
    "seed": 2**64 - 1,
    "epsilon": 1.0,
}
_WORD = re.compile(r"[a-z][a-z0-9_]{0,39}")
# The backend's own: a word, or one with settings, as in "stall:at=2s,for=3s".
_MODE = re.compile(r"[a-z][a-z0-9_]{0,39}(:[A-Za-z0-9_.,=+-]{1,200})?")
_DEVICE = re.compile(r"[a-z][a-z0-9_]{0,19}(:[0-9]{1,3})?")
_HOST_CLASS = re.compile(r"[A-Za-z0-9._+-]*")


def check_spec(spec: JobSpec, path: str = "spec") -> JobSpec:
    """The spec with defaults filled in and loads in canonical form; whether its model exists is not looked at.

    Raises:
        InvalidArgument: a field is missing, unknown or out of range.
    """
    if spec.evaluate is not None:
        raise invalid(f"{path}.evaluate", "jobs that run a model on a sample are submitted by EvaluateModels")
    if not 1 <= len(spec.variants) <= MOST_VARIANTS:
        raise invalid(f"{path}.variants", f"must be 1 to {MOST_VARIANTS}, not {len(spec.variants)}")
    if not 1 <= len(spec.loads) <= MOST_LOADS:
        raise invalid(f"{path}.loads", f"must be 1 to {MOST_LOADS}, not {len(spec.loads)}")
    if len(spec.variants) * len(spec.loads) > MOST_PROFILES // 2:  # yardsticks may be as many again
        raise invalid(
            f"{path}.loads", f"variants times loads must be at most {MOST_PROFILES // 2}: submit several jobs"
        )
    variants = tuple(check_variant(variant, f"{path}.variants[{n}]") for n, variant in enumerate(spec.variants))
    if len(set(variants)) != len(variants):
        raise invalid(f"{path}.variants", "the same variant stands twice")
    loads = tuple(check_load(load, f"{path}.loads[{n}]") for n, load in enumerate(spec.loads))
    if len({format_load(load) for load in loads}) != len(loads):
        raise invalid(f"{path}.loads", "the same load stands twice")
    return replace(
        spec,
        variants=variants,
        loads=loads,
        limits=_check_limits(spec.limits, f"{path}.limits"),
        host_class=check_host_class(spec.host_class, f"{path}.host_class"),
        labels=check_labels(spec.labels, f"{path}.labels"),
        remote_target=_check_target(spec.remote_target, {variant.backend for variant in variants}, path),
        deadline_s=_within(f"{path}.deadline", spec.deadline_s, LONGEST_DEADLINE_S),
        memory_limit_bytes=_check_memory(spec.memory_limit_bytes, f"{path}.memory_limit_bytes"),
    )


def needs_model(spec: JobSpec) -> bool:
    """Whether a variant's backend takes an artifact."""
    return any(variant.backend not in MODEL_FREE_BACKENDS for variant in spec.variants)


def check_variant(variant: Variant, path: str) -> Variant:
    """The variant with its defaults filled in. Raises InvalidArgument. Which backends there are, agents know."""
    if not _WORD.fullmatch(variant.backend):
        raise invalid(f"{path}.backend", f"must be the name of a backend such as onnxruntime, not {variant.backend!r}")
    if variant.mode and not _MODE.fullmatch(variant.mode):
        raise invalid(f"{path}.mode", f"must be a mode of the backend such as channels_last, not {variant.mode!r}")
    if variant.device and not _DEVICE.fullmatch(variant.device):
        raise invalid(f"{path}.device", f"must be a device such as cpu or cuda:0, not {variant.device!r}")
    batch_size, threads = variant.batch_size or 1, variant.threads or 1
    if not 1 <= batch_size <= LARGEST_BATCH:
        raise invalid(f"{path}.batch_size", f"must be from 1 to {LARGEST_BATCH}, not {batch_size}")
    if not 1 <= threads <= MOST_THREADS:
        raise invalid(f"{path}.threads", f"must be from 1 to {MOST_THREADS}, not {threads}")
    return replace(variant, batch_size=batch_size, threads=threads)


def check_host_class(value: str, path: str) -> str:
    """A host class or the beginning of one."""
    if len(value) > LONGEST_NAME or not _HOST_CLASS.fullmatch(value):
        raise invalid(path, f"must be letters, digits and . _ + -, at most {LONGEST_NAME}, not {value[:50]!r}")
    return value


def check_labels(labels: Mapping[str, str], path: str) -> dict[str, str]:
    """Labels, sorted by key."""
    if len(labels) > MOST_LABELS:
        raise invalid(path, f"at most {MOST_LABELS} labels, not {len(labels)}")
    for key, value in labels.items():
        check_text(path, key, LONGEST_NAME)
        check_text(path, value, LONGEST_NAME)
        if not key.strip() or "=" in key:
            raise invalid(path, f'the key of a label must not be empty nor hold "=", as {key!r} does')
    return dict(sorted(labels.items()))


def _check_limits(limits: RunLimits, path: str) -> RunLimits:
    for field in fields(RunLimits):
        _within(f"{path}.{field.name.removesuffix('_s')}", getattr(limits, field.name), _LARGEST[field.name])
    if limits.max_duration_s and limits.max_duration_s < limits.min_duration_s:
        raise invalid(f"{path}.max_duration", "must not be below min_duration")
    return limits


def _within(path: str, value: float, largest: float) -> float:
    if not (math.isfinite(value) and 0 <= value <= largest):
        raise invalid(path, f"must be from 0 (the default) to {largest:.15g}, not {value:.15g}")
    return value


def _check_memory(value: int, path: str) -> int:
    if value and not SMALLEST_MEMORY_BYTES <= value <= LARGEST_MEMORY_BYTES:
        raise invalid(path, f"must be 0 or from {SMALLEST_MEMORY_BYTES} to {LARGEST_MEMORY_BYTES} bytes, not {value}")
    return value


def _check_target(target: str, backends: set[str], path: str) -> str:
    field = f"{path}.remote_target"
    if ("remote" in backends) != bool(target):
        problem = "must say where the server of the backend remote is" if not target else "is for the backend remote"
        raise invalid(field, f"{problem}, as in grpc://127.0.0.1:9000/MODEL")
    if not target:
        return target
    check_text(field, target, LONGEST_TARGET)
    try:
        parts = urlsplit(target)
        sound = parts.scheme in ("grpc", "http") and bool(parts.hostname) and bool(parts.path.strip("/"))
        sound = sound and parts.port is not None and "@" not in parts.netloc
    except ValueError:
        sound = False
    if not sound:
        raise invalid(field, f"must read grpc://HOST:PORT/MODEL or http://HOST:PORT/MODEL, not {target[:200]!r}")
    return target
