"""Weights of scores on the command line."""

from __future__ import annotations

import typer


def parse_weights(text: str) -> dict[str, float]:
    """Scores with weights from "nearest=2,adaptivity=1"; a score alone has weight 1."""
    weights: dict[str, float] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, equals, weight = part.partition("=")
        try:
            weights[name.strip()] = float(weight) if equals else 1.0
        except ValueError:
            raise typer.BadParameter(f"--order-by must read NAME=WEIGHT,..., not {part!r}") from None
    return weights
