from __future__ import annotations

import pytest
from image_lab import Lab, Link

from builder.models.report import Outcome

pytestmark = pytest.mark.engine

PREFIX = "/opt/env"
PYTHON = f"{PREFIX}/bin/python"
VENV = {PYTHON: Link("/usr/bin/python3"), f"{PREFIX}/pyvenv.cfg": "home = /usr/bin\nversion = 3.9.2\n"}
PROFILE = {"/etc/profile.d/environment.sh": f'PATH="{PREFIX}/bin:$PATH"\n'}
PATH = {"PATH": f"{PREFIX}/bin:/usr/bin:/bin"}


def test_environment_on_path_for_every_shell_passes(lab: Lab) -> None:
    answer = lab.ask("python", lab.image({**VENV, **PROFILE}, PATH), python=PYTHON, version="3.9", prefix=PREFIX)
    assert answer.outcome is Outcome.PASS
    assert answer.summary == "Python 3.9.2 at /opt/env, found by exec, sh -c, sh -lc, bash -c, bash -lc"


def test_another_version_fails(lab: Lab) -> None:
    answer = lab.ask("python", lab.image({**VENV, **PROFILE}, PATH), python=PYTHON, version="3.10", prefix=PREFIX)
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "Python is 3.9.2, the recipe wants 3.10")


def test_environment_that_login_shells_do_not_find_fails(lab: Lab) -> None:
    answer = lab.ask("python", lab.image(VENV, PATH), python=PYTHON, version="3.9", prefix=PREFIX)
    assert answer.outcome is Outcome.FAIL
    assert answer.evidence["problems"] == [
        "`python` by sh -lc finds nothing (sh: 1: exec: python: not found), not /opt/env",
        "`python` by bash -lc finds nothing (bash: line 1: exec: python: not found), not /opt/env",
    ]


def test_environment_that_is_not_on_path_fails(lab: Lab) -> None:
    image = lab.image({**VENV, **PROFILE, "/usr/bin/python": Link("python3")}, {"PATH": "/usr/bin:/bin"})
    answer = lab.ask("python", image, python=PYTHON, version="3.9", prefix=PREFIX)
    assert answer.outcome is Outcome.FAIL
    assert answer.evidence["problems"] == [
        "`python` by exec finds /usr, not /opt/env",
        "`python` by sh -c finds /usr, not /opt/env",
        "`python` by bash -c finds /usr, not /opt/env",
    ]


def test_python_that_is_not_the_environments_fails(lab: Lab) -> None:
    image = lab.image({PYTHON: Link("/usr/bin/python3"), **PROFILE}, PATH)  # no pyvenv.cfg: a mere link
    answer = lab.ask("python", image, python=PYTHON, version="3.9", prefix=PREFIX)
    assert answer.summary.startswith("sys.prefix is /usr, the environment is /opt/env")


def test_image_without_the_environment_is_an_error(lab: Lab) -> None:
    from builder.errors import EngineError

    with pytest.raises(EngineError) as caught:
        lab.ask("python", lab.image(), python=PYTHON, version="3.9", prefix=PREFIX)
    assert "/opt/env/bin/python" in (caught.value.seen or "")
