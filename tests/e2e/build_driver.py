"""A builder in a process of its own, for tests that end it: builds what the folder holds, in the thread it is told.

build_driver.py FOLDER main|thread [no-signals]
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import small_image

from builder.adapters.engine.buildx import Buildx
from builder.adapters.engine.doctor import require_engine
from builder.adapters.engine.feed import StoreFeed
from builder.adapters.engine.processes import end_all
from builder.cli.errors import handle_signals
from builder.progress import Silent
from builder.stages.build import build


def main(folder: Path, thread: str, *, signals: bool) -> None:
    if signals:
        handle_signals()
    image = small_image.load(folder)
    runner = Buildx(require_engine(), logs=folder / "logs")

    def once() -> str:
        built = build(
            image.plan,
            image.rendered,
            context=image.context,
            runner=runner,
            feed=StoreFeed(image.store),
            progress=Silent(),
            no_cache=True,
        )
        return built.image

    sys.stdout.write("building\n")
    sys.stdout.flush()
    sys.stdout.write(once() if thread == "main" else _in_a_thread(once))


def _in_a_thread(once: object) -> str:
    with ThreadPoolExecutor() as pool:
        future = pool.submit(once)  # type: ignore[arg-type]
        try:
            return future.result()
        except KeyboardInterrupt:
            end_all()
            raise


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], signals=sys.argv[3:] != ["no-signals"])
