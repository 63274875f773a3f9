"""The model that the demo watches: a small convolutional network that reads a digit off a dial."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from monitor.demo.world import Images

EMBEDDING_DIM = 48
CLASSES = 10

Preprocess = Callable[[Images], Tensor]


class DigitReader(nn.Module):
    """Images (n, 1, 24, 24) to logits (n, 10) and embeddings (n, 48)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 12, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Conv2d(12, 24, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(24 * 6 * 6, EMBEDDING_DIM),
            nn.ReLU(),
        )
        self.head = nn.Linear(EMBEDDING_DIM, CLASSES)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.features(images)
        return self.head(embedding), embedding


def standardised(images: Images) -> Tensor:
    """Luma of each image, less its mean, over its standard deviation."""
    pixels = torch.from_numpy(images)
    red, green, blue = (pixels[..., channel].float() for channel in range(3))
    luma = (red + green + blue) / 3.0
    luma = luma - luma.mean(dim=(1, 2), keepdim=True)
    length: Tensor = torch.linalg.vector_norm(luma, dim=(1, 2), keepdim=True, dtype=torch.float64)
    deviation = (length / float(np.sqrt(luma[0].numel() - 1))).float()
    return (luma / (deviation + 1e-3)).unsqueeze(1)


def standardised_bottom_up(images: Images) -> Tensor:
    """The mistake that v2 ships with: its new loader reads the rows of the image bottom-up."""
    return standardised(images).flip(2)


@dataclass(frozen=True)
class ReaderVersion:
    """One release: weights and the preprocessing that it was shipped with."""

    name: str
    network: DigitReader
    preprocess: Preprocess = standardised

    @torch.inference_mode()
    def infer(self, images: Images) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Class probabilities (n, 10) and embeddings (n, 48) of images (n, 24, 24, 3)."""
        logits, embedding = self.network(self.preprocess(images))
        return torch.softmax(logits, dim=1).numpy(), embedding.numpy()


def train(
    images: Images,
    labels: NDArray[np.int64],
    *,
    epochs: int,
    seed: int,
    start: DigitReader | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> DigitReader:
    """Train from scratch, or go on from ``start``; Adam, batches of 128, label smoothing 0.05."""
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        network = DigitReader()
    if start is not None:
        network.load_state_dict(start.state_dict())
    inputs, targets = standardised(images), torch.from_numpy(labels)
    optimiser = torch.optim.Adam(network.parameters(), lr=2e-3 if start is None else 5e-4)
    loss = nn.CrossEntropyLoss(label_smoothing=0.05)
    steps = -(-len(targets) // 128)
    for epoch in range(epochs):
        order = torch.randperm(len(targets), generator=generator)
        for step, rows in enumerate(torch.split(order, 128)):
            optimiser.zero_grad()
            loss(network(inputs[rows])[0], targets[rows]).backward()
            optimiser.step()
            progress((epoch + (step + 1) / steps) / epochs)
    return network.eval()
