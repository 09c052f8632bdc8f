"""The user check in a Debian 11 whose programs and modes are changed."""

from __future__ import annotations

import io
import struct
import tarfile

import pytest
from image_lab import Lab

from builder.models.base import ImageId
from builder.models.report import Outcome
from builder.stages.answer import Answer

pytestmark = pytest.mark.engine


def changed(lab: Lab, path: str = "", mode: int = 0o644, *, content: bytes = b"x", user: str = "") -> ImageId:
    """The rootfs with one more file of a mode, and a default user."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        if path:
            info = tarfile.TarInfo(path.lstrip("/"))
            info.mode, info.size = mode, len(content)
            archive.addfile(info, io.BytesIO(content))
    container = lab.client.api.create_container(lab.rootfs, command=["true"])["Id"]
    try:
        lab.client.api.put_archive(container, "/", buffer.getvalue())
        image: str = lab.client.api.commit(container, changes=[f"USER {user}"] if user else None)["Id"]
    finally:
        lab.client.api.remove_container(container, force=True)
    lab.made.append(image)
    return image  # type: ignore[return-value]


def test_root_may_train(lab: Lab) -> None:
    answer = lab.ask("user", changed(lab), purpose="training")
    assert answer.outcome is Outcome.PASS, answer


def test_number_may_deploy(lab: Lab) -> None:
    answer = lab.ask("user", changed(lab, user="1000:1000"), purpose="deployment", user="1000:1000")
    assert answer.outcome is Outcome.PASS, answer
    assert answer.summary.startswith("user 1000 (1000:1000), as deployment asks; ")


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ("", "the default user is root: a deployment image's is a number such as 1000:1000"),
        ("1000:0", "user 1000 is in group root"),
        ("1001:1000", "the default user is 1001:1000, the plan says 1000:1000"),
    ],
)
def test_other_user_fails(lab: Lab, user: str, problem: str) -> None:
    answer = lab.ask("user", changed(lab, user=user), purpose="deployment", user="1000:1000")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, problem)


@pytest.mark.parametrize(
    ("path", "mode", "problem"),
    [
        ("/usr/local/bin/helper", 0o4755, "/usr/local/bin/helper is setuid root"),
        ("/usr/bin/helper", 0o2755, "/usr/bin/helper is setgid root"),
        ("/opt/open", 0o666, "/opt/open can be written by anybody (mode 0666)"),
    ],
)
def test_file_that_gives_too_much_fails_unless_the_recipe_vouches_for_it(
    lab: Lab, path: str, mode: int, problem: str
) -> None:
    image = changed(lab, path, mode)
    answer = lab.ask("user", image, purpose="training")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, problem)
    assert lab.ask("user", image, purpose="training", allow=[path]).outcome is Outcome.PASS


def test_second_root_fails(lab: Lab) -> None:
    text = b"root:x:0:0::/:/bin/sh\ntoor:x:0:0::/:/bin/sh\n"
    answer = lab.ask("user", changed(lab, "/etc/passwd", content=text), purpose="training")
    assert answer.summary == "toor in /etc/passwd is root by another name"


def test_what_could_not_be_looked_at_is_no_pass(lab: Lab) -> None:
    hurried = lab.ask(
        "user", lab.image(), purpose="training", change=lambda text: text.replace("tree = Tree()", "tree = Tree(-1)")
    )
    assert (hurried.outcome, hurried.summary) == (Outcome.ERROR, "no file of the image could be looked at")


NET_BIND = struct.pack("<5I", 0x02000001, 1 << 10, 0, 0, 0)  # version 2 of `struct vfs_cap_data`, effective


def with_capable(lab: Lab, path: str) -> Answer:
    """What the check says of the rootfs with a program that has a capability of its own."""
    code = "import os, shutil, sys; shutil.copy('/bin/true', sys.argv[1]); os.chmod(sys.argv[1], 0o755); "
    code += f"os.setxattr(sys.argv[1], 'security.capability', {NET_BIND!r})"
    facts = lab.engine.inspect(lab.rootfs)
    assert facts
    with lab.engine.altered(facts, f'/usr/bin/python3 -c "{code}" {path}') as altered:
        return lab.ask("user", altered.id, purpose="training")


def test_program_with_capabilities_of_its_own_fails_unless_it_is_known(lab: Lab) -> None:
    answer = with_capable(lab, "/usr/local/bin/serve")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, "/usr/local/bin/serve has capabilities of its own")
    assert with_capable(lab, "/usr/bin/ping").outcome is Outcome.PASS


@pytest.mark.parametrize(
    ("path", "text", "problem"),
    [
        (
            "/etc/sudoers.d/all",
            "# builder\n#1000 ALL=(ALL) NOPASSWD: ALL\n",
            "/etc/sudoers.d/all gives rights without a password: #1000 ALL=(ALL) NOPASSWD: ALL",
        ),
        (
            "/etc/sudoers",
            "Defaults !authenticate\n",
            "/etc/sudoers gives rights without a password: Defaults !authenticate",
        ),
        ("/etc/shadow", "root::19000:0:99999:7:::\n", "root in /etc/shadow needs no password"),
    ],
)
def test_way_to_become_another_one_without_a_password_fails(lab: Lab, path: str, text: str, problem: str) -> None:
    answer = lab.ask("user", changed(lab, path, 0o440, content=text.encode()), purpose="training")
    assert (answer.outcome, answer.summary) == (Outcome.FAIL, problem)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/sudoers", "# %wheel ALL=(ALL) NOPASSWD: ALL\nroot ALL=(ALL) ALL\n"),
        ("/etc/shadow", "root:*:19000:0:99999:7:::\n"),
    ],
)
def test_what_gives_nothing_passes(lab: Lab, path: str, text: str) -> None:
    answer = lab.ask("user", changed(lab, path, 0o440, content=text.encode()), purpose="training")
    assert answer.outcome is Outcome.PASS, answer


def test_home_that_the_recipe_asks_for_and_nobody_may_write_fails(lab: Lab) -> None:
    image = changed(lab, user="1000:1000")
    answer = lab.ask("user", image, purpose="deployment", user="1000:1000", home="writable")
    assert answer.summary == "the recipe asks for a home that user 1000 may write, and / is none"
