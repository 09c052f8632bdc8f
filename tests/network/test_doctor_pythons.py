"""The same diagnoses on every Python of this machine; below 3.10, what is asked inside images."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import cryptography
import pytest
from chains.clients import pythons
from chains.presented import HERE, NOBODY, Presented, presented
from chains.scenarios import FAILING, GOOD, Scenario

import builder
from builder.adapters.tls import image_script

pytestmark = pytest.mark.network
PYTHONS = {tuple(map(int, version.split("."))): path for version, path in pythons().items()}
SCRIPT = Path(str(image_script.__file__)).read_text()
ASKS = """
import json, sys
from pathlib import Path
from builder.adapters.tls.case import Options
from builder.adapters.tls.doctor import examine
from builder.trust.reached import Target
for host, port, bundle, tried in json.loads(sys.argv[1]):
    more = (Path(tried),) if Path(tried).stat().st_size else ()
    options = Options(bundle=Path(bundle), try_files=more, address="127.0.0.1", against=(), http_port=%d)
    found = examine(Target(host=host, port=port), options)
    print(json.dumps([found.cause, [c.agrees for c in found.cross_checks], [r.kind for r in found.remedies]]))
"""


@pytest.fixture(scope="module")
def all_shown(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Presented]]:
    with ExitStack() as stack:
        makes: list[Callable[..., Scenario]] = [*FAILING, *GOOD]
        yield [stack.enter_context(presented(m, tmp_path_factory.mktemp(m.__name__))) for m in makes]


def ran(program: str, *words: str, env: dict[str, str]) -> str:
    clean = dict(os.environ) | env
    done = subprocess.run([program, *words], env=clean, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.upstream
@pytest.mark.parametrize("version", sorted(v for v in PYTHONS if v >= (3, 10)), ids=str)
def test_each_chain_has_the_same_cause_on_this_python(
    version: tuple[int, int], all_shown: list[Presented], tmp_path: Path
) -> None:
    """Its own build of cryptography, and the rest from our environment: that is the same for every Python."""
    rows = [
        (s.scenario.name, s.server.port, str(s.bundle), str(s.written("tried.pem", s.scenario.add))) for s in all_shown
    ]
    uv = [str(Path(sys.executable).with_name("uv")), "pip", "install", "--quiet", "--python", PYTHONS[version]]
    ran(uv[0], *uv[1:], "--target", str(tmp_path), f"cryptography=={cryptography.__version__}", env={})
    ours = [str(tmp_path), str(Path(builder.__file__).parents[1]), sysconfig.get_path("purelib")]
    out = ran(PYTHONS[version], "-c", ASKS % NOBODY, json.dumps(rows), env={"PYTHONPATH": os.pathsep.join(ours)})
    found = [json.loads(line) for line in out.splitlines()]
    assert [cause for cause, _, _ in found] == [s.scenario.cause or "verifies" for s in all_shown]
    assert all(all(agrees) for _, agrees, _ in found)
    assert [bool(kinds) for _, _, kinds in found] == [s.scenario.cause is not None for s in all_shown]


@pytest.mark.parametrize("version", sorted(PYTHONS), ids=str)
def test_question_inside_an_image_is_answered_by_this_python(
    version: tuple[int, int], all_shown: list[Presented]
) -> None:
    said: dict[str, Any] = {}
    for shown in all_shown:
        row = json.dumps([[shown.scenario.name, shown.server.port, HERE]])
        env = {"SSL_CERT_FILE": str(shown.bundle)}
        answer = json.loads(ran(PYTHONS[version], "-c", SCRIPT, row, env=env))
        said[shown.folder.name.rstrip("0123456789")] = answer["hosts"][0]
        assert answer["python"][:2] == list(version)
        assert answer["stores"][0]["text"].count("BEGIN CERTIFICATE") == len(shown.scenario.trusted)
    partial = version >= (3, 13)
    accepted = {"no_san", *(("anchor_without_issuer", "pinned_leaf") if partial else ("strict",))}
    for make in FAILING:
        answer = said[make.__name__]
        assert answer["ok"] is (make.__name__ in accepted), make.__name__
        if not answer["ok"] and version >= (3, 7):  # 3.6 has its own words for a wrong name, without a code
            assert answer["code"] in make().codes, make.__name__
    assert all(said[make.__name__]["ok"] for make in GOOD)


def test_the_interpreter_of_this_run_is_among_them() -> None:
    assert sys.version_info[:2] in PYTHONS
