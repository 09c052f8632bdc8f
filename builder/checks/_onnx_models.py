# The models that onnx-export trains, and the data that it makes for them. Part of onnx-export, after the prelude.
#
# Trained, and on data with structure: an untrained network gives a cosine of 0.9998 while it ignores its input, and
# a good one scores 1-4 dB on noise (FACTS 7).
from typing import TYPE_CHECKING, Any, Tuple

if TYPE_CHECKING:
    from builder.checks._prelude import load

torch: Any = load("torch")
torch.set_num_threads(1)  # threads that wait for each other on a busy host made 120 small steps take 5 s instead of 1

CLASSES = 10
TRAINING, HELD_OUT = 2048, 512
STEPS = 120

Data = Tuple[Any, Any]


def images(seed: int) -> Data:
    """16 x 16 images of one of ten blurred shapes, shifted, dimmed and noisy; and which shape it is."""
    shapes = torch.nn.functional.interpolate(
        torch.randn(CLASSES, 1, 5, 5, generator=generator(0)), size=(16, 16), mode="bicubic", align_corners=False
    )
    random = generator(seed)
    number = TRAINING + HELD_OUT
    labels = torch.randint(CLASSES, (number,), generator=random)
    shifts = torch.randint(-2, 3, (number, 2), generator=random).tolist()
    moved = [torch.roll(shapes[label], tuple(shift), (1, 2)) for label, shift in zip(labels.tolist(), shifts)]  # noqa: B905 - 3.6
    light = 0.5 + torch.rand(number, 1, 1, 1, generator=random)
    return torch.stack(moved) * light + 0.3 * torch.randn(number, 1, 16, 16, generator=random), labels


def features(seed: int) -> Data:
    """64 measurements that hang together, as in a table; and which of ten groups each row is of."""
    random = generator(seed)
    centres = 1.5 * torch.randn(CLASSES, 16, generator=generator(1))
    mixing = torch.randn(16, 64, generator=generator(2))
    labels = torch.randint(CLASSES, (TRAINING + HELD_OUT,), generator=random)
    inner = centres[labels] + 0.5 * torch.randn(len(labels), 16, generator=random)
    return torch.tanh(inner @ mixing / 4) + 0.05 * torch.randn(len(labels), 64, generator=random), labels


def generator(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def cnn() -> Any:
    """Two convolutions with batch normalization, two linear layers: 280 000 weights."""
    nn = torch.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3, padding=1), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(32, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(64 * 4 * 4, 256), nn.ReLU(), nn.Linear(256, CLASSES)),
    )


def mlp() -> Any:
    """Three linear layers: 300 000 weights."""
    nn = torch.nn
    return nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, CLASSES))


MODELS = {"cnn": (cnn, images), "mlp": (mlp, features)}


def trained(model: Any, data: Data) -> Any:
    """The model after a short real training, ready to infer."""
    inputs, labels = data[0][:TRAINING], data[1][:TRAINING]
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    random = generator(3)
    for _ in range(STEPS):
        batch = torch.randint(TRAINING, (128,), generator=random)
        loss = torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()
