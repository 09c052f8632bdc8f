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
MOMENTS, SENSORS = 24, 16
PLACES, WORDS = 16, 256

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


def waves(seed: int) -> Data:
    """24 moments of 16 sensors that hear one of ten tones, each at its own distance; and which tone it is."""
    random = generator(seed)
    number = TRAINING + HELD_OUT
    labels = torch.randint(CLASSES, (number,), generator=random)
    begun = 2 * torch.pi * torch.rand(number, 1, 1, generator=random)
    distances = torch.randn(1, 1, SENSORS, generator=generator(4))
    turns = (0.2 + 0.28 * labels).view(-1, 1, 1) * torch.arange(MOMENTS).view(1, -1, 1)
    loud = 0.5 + torch.rand(number, 1, 1, generator=random)
    heard = loud * torch.sin(turns + begun + distances)
    return heard + 0.3 * torch.randn(heard.shape, generator=random), labels


def texts(seed: int) -> Data:
    """16 words that begin with one of ten topics and, after the word 255, turn to another; and which one that is."""
    random = generator(seed)
    number = TRAINING + HELD_OUT
    first, labels = torch.randint(CLASSES, (2, number), generator=random)
    chances = torch.softmax(3 * torch.randn(CLASSES, WORDS - 1, generator=generator(5)), 1)
    before, after = (torch.multinomial(chances[t], PLACES, replacement=True, generator=random) for t in (first, labels))
    places, turn = torch.arange(PLACES), torch.randint(5, 10, (number, 1), generator=random)
    return torch.where(places < turn, before, torch.where(places > turn, after, WORDS - 1)), labels


def generator(seed: int) -> Any:
    return torch.Generator().manual_seed(seed)


def cnn() -> Any:
    """Two convolutions with batch normalization, two linear layers: 340 000 weights."""
    nn = torch.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 48, 3, padding=1), nn.BatchNorm2d(48), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(48, 96, 3, padding=1), nn.BatchNorm2d(96), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(96 * 4 * 4, 192), nn.ReLU(), nn.Linear(192, CLASSES)),
    )


def mlp() -> Any:
    """Three linear layers: 300 000 weights."""
    nn = torch.nn
    return nn.Sequential(nn.Linear(64, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, CLASSES))


class LSTM(torch.nn.Module):  # type: ignore[misc]
    """One recurrent layer of 192 and a linear one: 160 000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = torch.nn.LSTM(SENSORS, 192, batch_first=True)
        self.head = torch.nn.Linear(192, CLASSES)

    def forward(self, waves: Any) -> Any:
        return self.head(self.lstm(waves)[0][:, -1])


class Transformer(torch.nn.Module):  # type: ignore[misc]
    """Embedded words and places, two encoder layers with four heads, a linear layer: 430 000 weights."""

    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(WORDS, 128)
        self.places = torch.nn.Parameter(0.1 * torch.randn(1, PLACES, 128))
        layer = torch.nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True, norm_first=True)
        self.layers = torch.nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = torch.nn.Linear(128, CLASSES)

    def forward(self, words: Any) -> Any:
        return self.head(self.layers(self.words(words) + self.places).mean(1))


MODELS = {"cnn": (cnn, images), "mlp": (mlp, features), "lstm": (LSTM, waves), "transformer": (Transformer, texts)}


def trained(model: Any, data: Data) -> Any:
    """The model after a short real training, ready to infer."""
    inputs, labels = data[0][:TRAINING], data[1][:TRAINING]
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    random = generator(3)
    for _ in range(STEPS):
        batch = torch.randint(TRAINING, (64,), generator=random)
        loss = torch.nn.functional.cross_entropy(model(inputs[batch]), labels[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()
