"""A small network that reads handwritten digits, for `deploy-digits-int8`.

It is trained in the workshop of the image's build, in a few seconds, on the 1797 digits of 8 by 8 pixels that
scikit-learn carries: no data is downloaded, and nothing of this file but the trained weights gets into the image.
"""

import numpy
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

HELD_OUT = 360
"""Digits that are not trained on: the quality is measured on them."""
EPOCHS = 15
BATCH = 32


def model() -> nn.Module:
    """The network, trained. It takes digits of one channel, 8 by 8, from 0 (paper) to 1 (ink), and gives ten scores."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(64 * 4 * 4, 128),
        nn.ReLU(),
        nn.Linear(128, 10),
    )
    images, labels = (torch.from_numpy(array) for array in _training())
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(EPOCHS):
        for batch in torch.randperm(len(images)).split(BATCH):
            optimizer.zero_grad()
            functional.cross_entropy(network(images[batch]), labels[batch]).backward()
            optimizer.step()
    return network


def samples() -> dict[str, numpy.ndarray]:
    """What calibrates: digits that were trained on."""
    images, _ = _training()
    return {"digit": images[:512]}


def held_out() -> tuple[dict[str, numpy.ndarray], numpy.ndarray]:
    """What the quality is measured on, with the right answers."""
    images, labels = _shuffled()
    return {"digit": images[-HELD_OUT:]}, labels[-HELD_OUT:]


def _training() -> tuple[numpy.ndarray, numpy.ndarray]:
    images, labels = _shuffled()
    return images[:-HELD_OUT], labels[:-HELD_OUT]


def _shuffled() -> tuple[numpy.ndarray, numpy.ndarray]:
    """All of them in an order that is always the same: the first ones were written by other people than the last."""
    digits = load_digits()
    order = numpy.random.default_rng(0).permutation(len(digits.target))
    images = (digits.images[order] / 16).astype("float32")[:, None]
    return images, digits.target[order]
