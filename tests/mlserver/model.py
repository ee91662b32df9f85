"""The model that the test serves with MLServer: a linear classifier. Runs in MLServer's own environment."""

from __future__ import annotations

import numpy as np
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse

WEIGHTS = np.array([[1.0, -2.0], [0.5, 3.0], [-1.0, 0.25]], dtype=np.float32)


class Linear(MLModel):
    """Takes "x" [-1, 3] and gives "scores" [-1, 2] = x @ WEIGHTS; fails for rows that begin with a million."""

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        x = NumpyCodec.decode_input(payload.inputs[0]).astype(np.float32)
        if (x[:, 0] == 1e6).any():
            raise ValueError("a million is too much")
        scores = NumpyCodec.encode_output("scores", x @ WEIGHTS)
        return InferenceResponse(model_name=self.name, outputs=[scores])
