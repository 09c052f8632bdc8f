"""Models of a recipe's own for onnx-export, as a module of the image; each is what its name says."""

from __future__ import annotations

TEAM = """
import numpy, torch
from torch import nn

def draw(number, seed=0):
    random = numpy.random.RandomState(seed)
    return (2 * random.randn(number, 64)).astype("float32"), random.randn(number, 8).astype("float32")

def one(): return draw(256)[0]
def two(): return draw(256)
def batches():
    for seed in range(6): yield draw(32, seed)
def few(): return draw(8)[0]
def ragged(): return draw(40)[0], draw(41)[1]
def number(): return 3
def waves(): return numpy.random.RandomState(0).randn(128, 12, 16).astype("float32")
def fails(): raise RuntimeError("no weights at /data")

def layers(): return nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 10))

class Sides(nn.Module):
    def __init__(self):
        super().__init__()
        self.first = nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Dropout(0.9))
        self.second, self.classes, self.size = nn.Linear(8, 256), nn.Linear(256, 10), nn.Linear(256, 1)
    def forward(self, image, side):
        inner = torch.relu(self.first(image) + self.second(side))
        return {"classes": self.classes(inner), "size": self.size(inner)}

class Deaf(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = layers()
        self.layers[0].weight.data *= 0.001
    def forward(self, x): return self.layers(x)

class Biased(Deaf):
    def __init__(self):
        super().__init__()
        self.layers[0].weight.data *= 1000
        self.layers[-1].bias.data[3] += 5

class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.gated, self.head = nn.GRU(16, 128, batch_first=True), nn.Linear(128, 10)
    def forward(self, x): return self.head(self.gated(x)[0][:, -1])

class Branching(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = layers()
    def forward(self, x): return self.layers(-x) if float(x.abs().max()) > 1e9 else self.layers(x)

class Summing(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 5)
    def forward(self, x): return self.layer(x).sum(0)
"""
