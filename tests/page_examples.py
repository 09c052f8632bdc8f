"""A report as the quickstart's is, with its real lock and made-up layers; and one whose image means harm."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

from builder.models.base import ImageId, sha256_of
from builder.models.lock import Lock
from builder.models.lockfile import parse_lock
from builder.models.report import CheckResult, Notice, Outcome, Proof, Report
from builder.models.seal import Seal
from builder.report.provenance import LayerSeen, Provenance

IMAGE: ImageId = "sha256:" + "a" * 64  # type: ignore[assignment]
OLDER: ImageId = "sha256:" + "b" * 64  # type: ignore[assignment]

HARM = (
    "<script>window.harm = 1</script>",
    '"><img src="http://192.0.2.1/x.png" onerror="window.harm = 2">',
    "</style><style>@import url(http://192.0.2.1/x.css);</style>",
    "'><svg onload=window.harm=3><a href='javascript:window.harm=4'>go</a>",
    "{{ 7 * 191 }}{% raw %}",
    "</title></head><body onload='window.harm = 5'>",
    "</details></main><iframe src='http://192.0.2.1/'></iframe>",
    "&lt;script&gt;&#x3c;b&#x3e;",
)
"""What an image might write, to be run where a person reads of it."""

ROWS: tuple[dict[str, Any], ...] = (
    {"model": "cnn", "exporter": "dynamo", "scheme": "fp32", "ms": 0.8, "bytes": 1_146_277},
    {"model": "cnn", "exporter": "dynamo", "scheme": "static int8", "ms": 0.4, "sqnr_db": 38.1, "chosen": True},
    {"model": "cnn", "exporter": "dynamo", "scheme": "dynamic int8", "ms": 1.6, "sqnr_db": 44.8, "problems": []},
    {"model": "mlp", "exporter": "torchscript", "scheme": "fp32", "ms": 0.2, "bytes": 1_204_935},
    {
        "model": "mlp",
        "exporter": "torchscript",
        "scheme": "static int8",
        "latency_ratio": 0.37,
        "sqnr_db": 17.5,
        "size_ratio": 0.26,
        "agreement": 0.995,
        "problems": ["SQNR is 17.5 dB, at least 20"],
    },
)


MEASURED = {"python": "3.9.2", "libc": "2.31", "no version": 7}


@cache
def lock() -> Lock:
    path = Path(__file__).parents[1] / "recipes" / "quickstart.lock"
    return parse_lock(path.read_text(), str(path))


def result(name: str, outcome: Outcome = Outcome.PASS, **more: Any) -> CheckResult:
    given = {"summary": "so it is", "seconds": 1.25, "key": sha256_of(name), "image": IMAGE}
    return CheckResult(name=name, outcome=outcome, **{**given, **more})


def report(*results: CheckResult, **more: Any) -> Report:
    digest = sha256_of("x")
    given = {"name": "demo", "image": IMAGE, "recipe": digest, "lock": lock().content_digest(), "rendering": digest}
    return Report(**{**given, "engine": "Engine 26.1.5", "results": results, **more})


def seal(of: Report, *names: str) -> Seal:
    return Seal(
        name=of.name,
        image=of.image,
        recipe=of.recipe,
        lock=of.lock,
        rendering=of.rendering,
        report=of.content_digest(),
        unproven=(),
        names=names or ("demo:1.0", "demo:latest"),
    )


def layer(name: str, size: int | None = 1000, content: str = "") -> LayerSeen:
    return LayerSeen(
        name=name, title=f"The {name}", digest=f"sha256:{sha256_of(name + content)}", size=size, artifacts=9
    )


def provenance(**more: Any) -> Provenance:
    layers = (layer("rootfs", 180_000_000), layer("wheels", 6_000_000_000), layer("trust", 300_000))
    given = {"lock": lock(), "layers": layers, "size": sum(one.size or 0 for one in layers), "previous": None}
    return Provenance(**{**given, **more})


def usual() -> Report:
    """One result of each kind that a page shows in its own way."""
    libraries = [{"name": f"libc{n}.so.12", "path": f"/opt/env/lib/python3.9/libc{n}.so.12"} for n in range(6)]
    return report(
        result(
            "python",
            evidence={"executable": "/opt/env/bin/python", "found": {"sh -c": "/opt/env"}, "measured": MEASURED},
        ),
        result("trust", Outcome.FAIL, summary="2 of 117 trust anchors have expired", evidence={"count": 117}),
        result("cuda", image=OLDER, evidence={"libraries": libraries, "minimum_driver": "525.60.13"}),
        result("nvidia-smi", Outcome.UNPROVEN, summary="the engine gives no GPU", evidence={"engine": "none"}),
        result("onnx-export", evidence={"rows": list(ROWS)}),
        result("secrets", Outcome.SKIP, summary="the recipe's reason"),
        result("command", Outcome.ERROR, summary="ran out of memory", evidence={"deep": [[1, [2, {"x": [3]}]]]}),
        notices=(Notice(subject="Debian 11", text="reached its end of life"),),
    )


def harmful() -> Report:
    """Each text that comes from an image, or from who made one, is out to be run."""
    evidence = {text: [text, {text: text}] for text in HARM} | {"rows": [{HARM[0]: text, "n": 1} for text in HARM]}
    rows = [
        {"model": t, "exporter": t, "scheme": t, "latency_ratio": 0.5, "sqnr_db": 30, "problems": [t]} for t in HARM
    ]
    return report(
        *(result(f"check-{at}", summary=text, evidence=evidence) for at, text in enumerate(HARM)),
        result(HARM[0], Outcome.FAIL, summary=HARM[1]),
        result("onnx-export", evidence={"rows": rows}, proven=Proof(engine=HARM[0], host=HARM[1])),
        engine=HARM[2],
        notices=tuple(Notice(subject=text, text=text) for text in HARM),
    )


def harmful_provenance() -> Provenance:
    """Names of certificates are free text too."""
    trust = lock().trust
    worse = [c.model_copy(update={"subject": f"CN={HARM[n % len(HARM)]}"}) for n, c in enumerate(trust.certificates)]
    poisoned = lock().model_copy(update={"trust": trust.model_copy(update={"certificates": tuple(worse)})})
    return provenance(lock=poisoned, layers=tuple(layer(text) for text in HARM))
