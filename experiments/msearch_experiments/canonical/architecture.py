"""What identifies a canonical model: its family, its size, the shape of a row, its seed."""

from __future__ import annotations

from dataclasses import dataclass

GENERATOR_VERSION = "1"
"""Version of every canonical model. Raised whenever the same architecture gives other bytes."""

DEFAULT_CLASSES = 10
DEFAULT_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Architecture:
    """A canonical model. `input` is the shape of a row, without the batch axis; empty takes the family's usual one."""

    family: str
    layers: int
    width: int
    input: tuple[int, ...] = ()
    classes: int = DEFAULT_CLASSES
    seed: int = DEFAULT_SEED

    @property
    def name(self) -> str:
        """As it is registered, without the version: `generated/resnet-8x64`, with what is unusual after that."""
        parts = [f"generated/{self.family}-{self.layers}x{self.width}"]
        if self.input:
            parts.append("in" + "x".join(map(str, self.input)))
        if self.classes != DEFAULT_CLASSES:
            parts.append(f"c{self.classes}")
        if self.seed != DEFAULT_SEED:
            parts.append(f"s{self.seed}")
        return "-".join(parts)

    @property
    def identity(self) -> str:
        """Name and version, as in name@version."""
        return f"{self.name}@{GENERATOR_VERSION}"
