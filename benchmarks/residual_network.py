"""A ResNet-50 with seeded random weights, as an ONNX file and as a program of torch.export: what GPUs are timed on.

He et al. 2016, the variant with the stride in the 3 x 3 convolution; 25.6 million parameters, 8.2 GFLOP a row of
3 x 224 x 224. Batch normalisation is folded away by its identity statistics, as a deployed model's is.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

CLASSES, SIDE = 1000, 224
_STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
_EXPANSION = 4


class _Bottleneck(nn.Module):
    """1 x 1 down, 3 x 3, 1 x 1 up, added to the input."""

    def __init__(self, channels_in: int, width: int, stride: int) -> None:
        super().__init__()
        channels_out = width * _EXPANSION
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, stride, 1),
            nn.ReLU(),
            nn.Conv2d(width, channels_out, 1),
        )
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels_out:
            self.shortcut = nn.Conv2d(channels_in, channels_out, 1, stride)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # Halved, so that activations of random weights neither vanish nor overflow fp16 over 16 blocks.
        return torch.relu((self.body(x) + self.shortcut(x)) * 0.5)


class ResidualNetwork(nn.Module):
    """ResNet-50; `image` [n, 3, 224, 224] float32 to `logits` [n, 1000]."""

    def __init__(self, seed: int = 1) -> None:
        super().__init__()
        torch.manual_seed(seed)
        layers: list[nn.Module] = [nn.Conv2d(3, 64, 7, 2, 3), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
        channels = 64
        for width, blocks, stride in _STAGES:
            for block in range(blocks):
                layers.append(_Bottleneck(channels, width, stride if block == 0 else 1))
                channels = width * _EXPANSION
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(channels, CLASSES)

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"logits": self.head(self.features(image).mean(dim=(2, 3)))}


def write_network(folder: Path) -> dict[str, Path]:
    """Writes both files and gives their paths by artifact format."""
    network = ResidualNetwork().eval()
    example = (torch.zeros(2, 3, SIDE, SIDE),)
    free = ({0: torch.export.Dim("batch", min=1, max=1024)},)
    paths = {"onnx": folder / "resnet50.onnx", "torch_export": folder / "resnet50.pt2"}
    torch.onnx.export(
        network, example, paths["onnx"], input_names=["image"], output_names=["logits"], dynamic_shapes=free,
        dynamo=True, external_data=False, opset_version=20,
    )  # fmt: skip
    torch.export.save(torch.export.export(network, example, dynamic_shapes=free), paths["torch_export"])
    return paths
