"""The doctor inside an image: its own Python and stores are asked, and the judgement is made out here."""

from __future__ import annotations

import dataclasses
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import builder.adapters.tls.image_script
from builder.adapters.engine.client import endpoint
from builder.adapters.engine.sandbox import owner
from builder.adapters.tls.case import Options
from builder.adapters.tls.doctor_many import examine_all
from builder.adapters.tls.stores import Store, bundle_store
from builder.errors import EngineError, NetworkError
from builder.models.pin import Pin
from builder.progress import Progress
from builder.trust.certs import split_pem
from builder.trust.diagnosis import VERIFIES, CrossCheck, Diagnosis
from builder.trust.pins import IMAGE_FILE, parse_pins
from builder.trust.reached import Target, Verdict

_PATIENCE: Final = 60
_SHELL: Final = """for p in python3 python /opt/conda/bin/python /usr/local/bin/python3 /opt/python/bin/python; do
command -v "$p" >/dev/null 2>&1 && exec "$p" -B -c "$0" "$1"; done; echo 'no Python' >&2; exit 127"""
_PARTIAL: Final = ("anchor-without-issuer", "pinned-leaf")


def examine_in(image: str, targets: Sequence[Target], options: Options, progress: Progress) -> tuple[Diagnosis, ...]:
    """Each host as the image sees it, with the pins that it was built with unless others are given.

    Raises EngineError without an engine or the image, NetworkError without a Python in it, RecipeError for its pins.
    """
    answer = ask_in(image, targets, address=options.address)
    stores = (bundle_store(options.bundle),) if options.bundle else tuple(_stores(answer))
    pins = options.pins or _pins(answer, image)
    found = examine_all(targets, dataclasses.replace(options, stores=stores, pins=pins), progress)
    return tuple(_with(one, image, answer, said) for one, said in zip(found, answer["hosts"], strict=True))


def ask_in(image: str, targets: Sequence[Target], *, address: str | None = None) -> dict[str, Any]:
    """What the image's Python says: see `image_script`."""
    script = Path(builder.adapters.tls.image_script.__file__).read_text(encoding="utf-8")
    rows = json.dumps([[t.host, t.port, address or ""] for t in targets])
    with _container(image, ["sh", "-c", _SHELL, script, rows]) as (api, container):
        api.start(container)
        status = api.wait(container, timeout=_PATIENCE)["StatusCode"]
        out = api.logs(container, stdout=True, stderr=False)
        said = api.logs(container, stdout=False, stderr=True)[-300:].decode("utf-8", "replace").strip()
    if status:
        what = "the image could not be asked" if status != 127 else "the image has no Python to ask with"
        raise NetworkError(what, where=image, seen=said.splitlines()[-1] if said else f"exit code {status}")
    answer: dict[str, Any] = json.loads(out)
    return answer


@contextmanager
def _container(image: str, command: list[str]) -> Iterator[tuple[Any, str]]:
    """On the host's network, without rights, removed however this is left."""
    import docker  # noqa: PLC0415 - not on the path of `builder --help`
    import docker.errors  # noqa: PLC0415

    proxies = {k: v for k, v in os.environ.items() if k.lower() in ("https_proxy", "no_proxy", "all_proxy")}
    try:
        client = docker.DockerClient(base_url=endpoint(), timeout=_PATIENCE, version="auto")
    except docker.errors.DockerException as error:
        remedy = "run `builder doctor engine`"
        raise EngineError("no container engine answers", seen=str(error), remedy=remedy) from None
    with closing(client):
        api = client.api
        host = api.create_host_config(network_mode="host", cap_drop=["ALL"], security_opt=["no-new-privileges"])
        # The labels of checks: what a killed run leaves behind, the next one sweeps away.
        labels = {"builder.check": owner(), "builder.check.deadline": str(int(time.time()) + 3600)}
        made = None
        try:
            made = api.create_container(
                image, entrypoint=command[:1], command=command[1:], environment=proxies, host_config=host, labels=labels
            )["Id"]
            yield api, made
        except docker.errors.ImageNotFound:
            remedy = "`docker images` shows those that there are; `docker pull` brings others"
            raise EngineError("there is no such image", where=image, remedy=remedy) from None
        except docker.errors.APIError as error:
            what = "the engine could not run the question"
            raise EngineError(what, where=image, seen=str(error.explanation)) from None
        finally:
            if made:
                api.remove_container(made, force=True, v=True)


def _stores(answer: dict[str, Any]) -> Iterator[Store]:
    for row in answer["stores"]:
        yield Store(row["name"], row["where"], row["users"], split_pem(row["text"].encode("latin-1")))


def _pins(answer: dict[str, Any], image: str) -> tuple[Pin, ...]:
    text = str(answer.get("pins", ""))
    return parse_pins(text, f"{image}: {IMAGE_FILE}") if text else ()


def _with(one: Diagnosis, image: str, answer: dict[str, Any], said: dict[str, Any]) -> Diagnosis:
    """The diagnosis with what the image's Python said itself."""
    version = ".".join(map(str, answer["python"]))
    verdict = Verdict(ok=bool(said["ok"]), code=said["code"], text=str(said["text"]))
    who = f"Python {version} of {image} ({' '.join(answer['openssl'].split()[:2])})"
    agrees = verdict.ok is _accepts(one.cause, tuple(answer["python"][:2]))
    check = CrossCheck(who=who, verdict=verdict, agrees=agrees)
    return dataclasses.replace(one, cross_checks=(check, *one.cross_checks))


def _accepts(cause: str, python: tuple[int, ...]) -> bool:
    """Whether a Python of that version accepts a chain with that cause; see data/clients.yaml."""
    return cause in (VERIFIES, "no-san", *(_PARTIAL if python >= (3, 13) else ("strict",)))
