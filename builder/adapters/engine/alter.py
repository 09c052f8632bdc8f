"""An image of an image: a script runs as root in a container without network, and what it changed is one more layer."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from builder.adapters.engine.sandbox import owner
from builder.errors import EngineError

if TYPE_CHECKING:
    from builder.models.base import ImageId
    from builder.models.engine import ImageFacts

_LIFE = 7200  # seconds after which another builder may sweep the container
_TAIL = 400


@contextmanager
def altered(api: Any, image: ImageFacts, script: str, variables: tuple[tuple[str, str], ...] = ()) -> Iterator[ImageId]:
    """The ID of the altered image, which is gone after the `with` block. Raises EngineError when the script fails."""
    made = _made(api, image, script, variables)
    try:
        yield made
    finally:
        api.remove_image(made, force=True)


def _made(api: Any, image: ImageFacts, script: str, variables: tuple[tuple[str, str], ...]) -> ImageId:
    labels = {"builder.check": owner(), "builder.check.deadline": str(int(time.time()) + _LIFE)}
    container = api.create_container(
        image.id,
        entrypoint=["/bin/sh", "-euc"],
        command=[script],
        user="0",
        labels=labels,
        host_config=api.create_host_config(network_mode="none"),
        use_config_proxy=False,
    )["Id"]
    try:
        api.start(container)
        if status := api.wait(container)["StatusCode"]:
            said = api.logs(container, tail=5).decode("utf-8", "replace").strip()[-_TAIL:]
            raise EngineError(f"a script that alters {image.id[7:19]} ended with exit code {status}", seen=said)
        settings = [f"ENV {name}={json.dumps(value)}" for name, value in variables]
        made: ImageId = api.commit(container, changes=[f"USER {image.user or '0'}", *settings])["Id"]
        return made
    finally:
        api.remove_container(container, force=True, v=True)
