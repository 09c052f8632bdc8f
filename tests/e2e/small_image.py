"""A real image of one static busybox, for tests of the build: a plan, its rendering and a store, on disk."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from builder.models.base import sha256_of
from builder.models.lock import Artifact
from builder.models.plan import Action, ImageConfig, Layer, Plan
from builder.models.rendered import Rendered, RenderedFile

EPOCH = 1_700_000_000


@dataclass(frozen=True)
class SmallImage:
    """What `stages.build.build` takes."""

    plan: Plan
    rendered: Rendered
    context: Path
    store: Path


def make(
    folder: Path, busybox: Path, steps: list[str], *, name: str = "builder-test-build", blob: bytes = b""
) -> SmallImage:
    """An image whose layer is what the shell lines leave in /out; `blob` is bound at /blob."""
    store, context = folder / "store", folder / "images" / name
    artifacts = [put(store, "busybox", busybox.read_bytes())]
    if blob:
        artifacts.append(put(store, "blob", blob))
    plan = _plan(name, artifacts)
    dockerfile = _dockerfile(artifacts, steps)
    files = (RenderedFile(path="Dockerfile", content=dockerfile),)
    rendered = Rendered(name=name, digest=sha256_of(dockerfile), files=files)
    context.mkdir(parents=True, exist_ok=True)
    for file in rendered.files:
        (context / file.path).write_text(file.content)
    return SmallImage(plan, rendered, context, store)


def put(store: Path, filename: str, data: bytes) -> Artifact:
    """Stores bytes as fetch would."""
    artifact = Artifact(source="derived", path=filename, sha256=hashlib.sha256(data).hexdigest(), size=len(data))
    path = store / artifact.store_path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return artifact


def get_busybox(folder: Path) -> Path | None:
    """Debian's static busybox, from apt's own sources; None where there is no apt."""
    kept = folder / "busybox"
    if kept.exists():
        return kept
    if not shutil.which("apt-get") or not shutil.which("dpkg-deb"):
        return None
    subprocess.run(["apt-get", "download", "busybox-static"], cwd=folder, check=True, capture_output=True)
    (package,) = folder.glob("busybox-static_*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "tree")], check=True)
    binary = next(p for p in (folder / "tree").rglob("bin/busybox") if p.is_file())
    binary.rename(kept)
    return kept


def _plan(name: str, artifacts: list[Artifact]) -> Plan:
    return Plan(
        name=name,
        platform=_platform(),
        epoch=EPOCH,
        created=EPOCH,
        base=None,
        prefix="/opt/env",
        python="/usr/bin/python3",
        uv=artifacts[0],
        busybox=artifacts[0],
        layers=(Layer(name="all", title="All", action=Action.WRITE_FILES, artifacts=tuple(artifacts)),),
        config=ImageConfig(),
    )


def _platform() -> str:
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    return "linux/" + {"x86_64": "amd64", "aarch64": "arm64"}[machine]


def _dockerfile(artifacts: list[Artifact], steps: list[str]) -> str:
    stages = [
        f"FROM scratch AS artifact-{a.sha256[:12]}\nARG STORE\n"
        f"ADD --checksum=sha256:{a.sha256} ${{STORE}}/{a.store_path} /{a.filename}\n"
        for a in artifacts
    ]
    mounts = "".join(
        f"--mount=type=bind,from=artifact-{a.sha256[:12]},source=/{a.filename},target=/{a.filename} "
        for a in artifacts[1:]
    )
    clamp = 'busybox find /out -exec busybox touch -h -d "@$SOURCE_DATE_EPOCH" {} +'
    script = "; ".join(["set -e", "busybox mkdir -p /out", *steps, clamp]).replace('"', '\\"')
    return "\n".join(
        [
            "ARG STORE",
            *stages,
            "FROM scratch AS layer-all",
            "ARG SOURCE_DATE_EPOCH",
            f"COPY --chmod=0755 --from=artifact-{artifacts[0].sha256[:12]} /busybox /bin/busybox",
            f'RUN --network=none {mounts}["/bin/busybox", "sh", "-c", "{script}"]',
            "FROM scratch",
            "ARG SOURCE_DATE_EPOCH",
            "COPY --link --from=layer-all /out/ /",
            "",
        ]
    )


def save(image: SmallImage, folder: Path) -> None:
    """Writes what `load` reads, for another process."""
    (folder / "plan.json").write_text(image.plan.model_dump_json())
    (folder / "rendered.json").write_text(image.rendered.model_dump_json())


def load(folder: Path) -> SmallImage:
    """What `make` made in this folder."""
    plan = Plan.model_validate_json((folder / "plan.json").read_text())
    rendered = Rendered.model_validate_json((folder / "rendered.json").read_text())
    return SmallImage(plan, rendered, folder / "images" / plan.name, folder / "store")
