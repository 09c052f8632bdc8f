"""`healthcheck`: one stored input and its output, through the server where one serves, otherwise in this process."""

from __future__ import annotations

import http.client
import json
import math
import os
from typing import Any

from .command import parser
from .model import HEALTH, SETTINGS, Deployed, RefusedError, folder

SECONDS = 8
EXAMPLES = """\
For HEALTHCHECK and for Kubernetes' exec probes. Exit code 0 if the answer is the stored one, otherwise 1.
A served model is asked over HTTP: MLSERVER_HTTP_PORT (default 8080) at MLSERVER_HOST (default 127.0.0.1).
"""


def main(arguments: list[str]) -> int:
    """One line: healthy, or why not."""
    parser("healthcheck", "Asks the model for one stored answer.", EXAMPLES).parse_args(arguments)
    place = folder()
    try:
        if (place / SETTINGS).exists():
            said = over_http(json.loads((place / HEALTH).read_bytes()))
        else:
            said = in_process(Deployed(place))
    except (RefusedError, OSError, ValueError, KeyError, http.client.HTTPException) as error:
        print(f"unhealthy: {error or type(error).__name__}")
        return 1
    print(f"healthy: {said}")
    return 0


def over_http(stored: dict[str, Any]) -> str:
    """Asks the server of this container as any client would, with the standard library alone."""
    host = os.environ.get("MLSERVER_HOST") or "127.0.0.1"
    port = int(os.environ.get("MLSERVER_HTTP_PORT") or 8080)
    here = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a server listens on is not what is asked
    connection = http.client.HTTPConnection(here.get(host, host), port, timeout=SECONDS)
    try:
        headers = {"Content-Type": "application/json"}
        connection.request("POST", stored["path"], json.dumps(stored["request"]), headers)
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
    if answer.status != 200:
        raise RefusedError(f"the server answers {answer.status}: {body[:200].decode('utf-8', 'replace')}")
    given = {output["name"]: output["data"] for output in json.loads(body)["outputs"]}
    for name, want in stored["outputs"].items():
        near = decibels(want, given[name])
        if near < stored["min_sqnr_db"]:
            raise RefusedError(f"{name} is not as stored: {near:.1f} dB, at least {stored['min_sqnr_db']} are needed")
    return f"port {port} gives the stored answer"


def decibels(want: list[float], have: list[float]) -> float:
    """As `tensors.decibels`, without numpy: a probe that runs every half minute should cost nothing."""
    noise = sum((a - b) ** 2 for a, b in zip(want, have))
    if len(want) != len(have) or not math.isfinite(noise):
        return -200.0
    return 200.0 if noise == 0 else 10 * math.log10(max(sum(a * a for a in want), 1e-300) / noise)


def in_process(model: Deployed) -> str:
    """Loads the model and asks it for the first stored answer."""
    from .selftest import compared

    inputs, wanted = model.answers()
    outputs = model.run({name: array[: model.call] for name, array in inputs.items()})
    problems: list[str] = []
    for name, have in outputs.items():
        compared(name, wanted[name][: len(have)], have, float(model.manifest["answers"]["min_sqnr_db"]), problems)
    if problems:
        raise RefusedError(problems[0])
    return f"{model.title} gives the stored answer"
