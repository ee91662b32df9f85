"""A linear regression as plain arrays: beside a forest it goes on where the forest has seen little."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from msearch_accuracy.errors import AccuracyError

_FARTHEST = 4.0
"""Standard deviations from the middle beyond which a feature counts no further."""


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """`constant` + sum of `slopes` [F] times features in standard deviations `scales` [F] from their `middles` [F]."""

    middles: NDArray[np.float32]
    scales: NDArray[np.float32]
    slopes: NDArray[np.float32]
    constant: NDArray[np.float32]

    def predict(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values [n] for feature rows [n, F]."""
        values = _standardise(rows, self.middles, self.scales) @ self.slopes + self.constant
        return np.asarray(values, np.float32)

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """What a file keeps."""
        return {
            f"{prefix}middles": self.middles,
            f"{prefix}scales": self.scales,
            f"{prefix}slopes": self.slopes,
            f"{prefix}constant": self.constant,
        }

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], prefix: str, width: int) -> Linear:
        """Checks and takes what a file kept.

        Raises:
            AccuracyError: the arrays are no regression over `width` features.
        """
        try:
            middles, scales, slopes, constant = (
                arrays[f"{prefix}{name}"] for name in ("middles", "scales", "slopes", "constant")
            )
        except KeyError as error:
            raise AccuracyError(f"the predictor lacks the array {error}") from None
        vectors = (middles, scales, slopes)
        sound = (
            all(array.shape == (width,) for array in vectors)
            and constant.shape == ()
            and all(array.dtype == np.float32 and np.isfinite(array).all() for array in (*vectors, constant))
            and bool((scales > 0).all())
        )
        if not sound:
            raise AccuracyError("the predictor's linear regression is corrupt")
        return cls(middles, scales, slopes, constant)

    @classmethod
    def of_examples(
        cls, features: NDArray[np.float32], learned: NDArray[np.float64], weights: NDArray[np.float64], strength: float
    ) -> Linear:
        """Ridge regression; `strength` is that of the penalty for one example of mean weight (Hoerl & Kennard 1970).

        Args:
            features: [n, F]
            learned: [n]
            weights: [n], of the examples.
            strength: the penalty on slopes of standardised features, beside the mean squared error.
        """
        share = weights / weights.sum()
        middles = (share @ features).astype(np.float32)
        scales = (features.std(axis=0) + 1e-6).astype(np.float32)
        left = _standardise(features, middles, scales).astype(np.float64)
        constant = float(share @ learned)
        gram = left.T @ (left * share[:, None]) + strength * np.eye(left.shape[1])
        slopes = np.linalg.solve(gram, left.T @ (share * (learned - constant)))
        return cls(middles, scales, slopes.astype(np.float32), np.array(constant, np.float32))


def _standardise(
    rows: NDArray[np.float32], middles: NDArray[np.float32], scales: NDArray[np.float32]
) -> NDArray[np.float32]:
    clipped: NDArray[np.float32] = np.clip((rows - middles) / scales, -_FARTHEST, _FARTHEST)
    return clipped
