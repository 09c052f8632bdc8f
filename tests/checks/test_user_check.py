"""The user check in a Debian 11 whose programs and modes are changed."""

from __future__ import annotations

import io
import tarfile

import pytest
from image_lab import Lab

from builder.models.base import ImageId
from builder.models.report import Outcome

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


def test_home_that_the_recipe_asks_for_and_nobody_may_write_fails(lab: Lab) -> None:
    image = changed(lab, user="1000:1000")
    answer = lab.ask("user", image, purpose="deployment", user="1000:1000", home="writable")
    assert answer.summary == "the recipe asks for a home that user 1000 may write, and / is none"
