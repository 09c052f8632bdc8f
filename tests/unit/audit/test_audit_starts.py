"""What an image starts: its commands are read as the shell reads them, and the scripts that they name are found."""

from __future__ import annotations

import pytest

from builder.audit.starts import Commands, command_findings, scripts
from builder.audit.surroundings import ANYWHERE


@pytest.mark.parametrize(
    ("commands", "place"),
    [
        ([("HEALTHCHECK", ["CMD", "curl", "-k", "https://x"])], "HEALTHCHECK"),
        ([("HEALTHCHECK", ["CMD-SHELL", "curl -fk https://x || exit 1"])], "HEALTHCHECK"),
        ([("ENTRYPOINT", ["curl"]), ("CMD", ["-k", "https://x"])], "ENTRYPOINT"),
        ([("CMD", ["/bin/sh", "-c", "curl -k 'https://x'"])], "CMD"),
    ],
)
def test_a_bypass_in_a_command_is_found_where_it_is_configured(commands: Commands, place: str) -> None:
    assert [(f.rule, f.place) for f in command_findings(commands, ANYWHERE)] == [("CURL001", place)]


@pytest.mark.parametrize("test", [["NONE"], ["CMD", "curl", "https://x"], ["CMD", "echo", "curl -k"]])
def test_a_command_that_verifies_has_no_finding(test: list[str]) -> None:
    assert list(command_findings([("HEALTHCHECK", test)], ANYWHERE)) == []


def test_the_scripts_of_a_command_are_found_on_the_path_and_in_the_working_folder() -> None:
    commands = [("ENTRYPOINT", ["entry", "--x", "sub/run.sh"]), ("HEALTHCHECK", ["CMD-SHELL", "exec /app/health -a"])]
    found = list(scripts(commands, {"PATH": "/opt/bin:/bin"}, "/srv"))
    assert found == [
        ("/opt/bin/entry", "/bin/entry"),
        ("/srv/sub/run.sh",),
        ("/opt/bin/sh", "/bin/sh"),
        ("/app/health",),
    ]
