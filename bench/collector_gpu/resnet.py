"""ResNet-50 (He et al., 2015; strides as in version 1.5): torchvision's where it is installed,
else this one. Weights are random: only the time counts."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
WIDTH, CLASSES = 2048, 1000


class Bottleneck(nn.Module):
    """1x1, 3x3 with the stride, 1x1 to four times as wide, and a way around."""

    def __init__(self, inside: int, width: int, stride: int) -> None:
        super().__init__()
        outside = 4 * width
        self.way = nn.Sequential(
            *_normed(inside, width, 1),
            nn.ReLU(inplace=True),
            *_normed(width, width, 3, stride),
            nn.ReLU(inplace=True),
            *_normed(width, outside, 1),
        )
        changes = stride != 1 or inside != outside
        self.around = nn.Sequential(*_normed(inside, outside, 1, stride)) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        around = x if self.around is None else self.around(x)
        return torch.relu(self.way(x) + around)


def _normed(inside: int, outside: int, size: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inside, outside, size, stride, padding=size // 2, bias=False)
    return [conv, nn.BatchNorm2d(outside)]


class ResNet50(nn.Module):
    """Images (n, 3, h, w) in [0, 1] to the embedding (n, 2048) and the logits (n, 1000)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _torchvision() or _own()
        self.head = nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.body(x).flatten(1)
        return embedding, self.head(embedding)


def _own() -> nn.Module:
    layers = [*_normed(3, 64, 7, 2), nn.ReLU(inplace=True), nn.MaxPool2d(3, 2, 1)]
    inside = 64
    for width, blocks, stride in STAGES:
        for number in range(blocks):
            layers.append(Bottleneck(inside, width, stride if number == 0 else 1))
            inside = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1))


def _torchvision() -> nn.Module | None:
    try:
        from torchvision.models import resnet50  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        return None
    whole: Any = resnet50(weights=None)
    return nn.Sequential(*list(whole.children())[:-1])
