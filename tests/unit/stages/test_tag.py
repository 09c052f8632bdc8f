from __future__ import annotations

import gate_examples as examples
import pytest

from builder.errors import TagError
from builder.models.base import ImageId, sha256_of
from builder.models.engine import ImageFacts
from builder.models.seal import Seal
from builder.progress import Progress, Silent
from builder.stages.tag import push, tag, withdraw

IMAGE = examples.image()
OTHER = examples.image("sha256:other")


def seal(*names: str, unproven: tuple[str, ...] = ()) -> Seal:
    digest = sha256_of("x")
    return Seal(
        name="demo",
        image=IMAGE.id,
        recipe=digest,
        lock=digest,
        rendering=digest,
        report=digest,
        unproven=unproven,
        names=names or ("demo:1.0", "demo:latest"),
    )


class Shelf:
    """Names and images in memory: what an engine keeps."""

    def __init__(self, *images: ImageFacts) -> None:
        self.images = {i.id: i for i in images}
        self.names: dict[str, ImageId] = {}

    def inspect(self, reference: str) -> ImageFacts | None:
        return self.images.get(self.names.get(reference, reference))  # type: ignore[arg-type]

    def tag(self, image: ImageId, reference: str) -> None:
        self.names[reference] = image

    def untag(self, reference: str) -> bool:
        return self.names.pop(reference, None) is not None

    def push(self, reference: str, progress: Progress) -> str:
        return f"sha256:{sha256_of(reference)}"


def test_sealed_image_gets_every_name() -> None:
    shelf = Shelf(IMAGE)
    assert tag(seal(), shelf) == ("demo:1.0", "demo:latest")
    assert shelf.names == {"demo:1.0": IMAGE.id, "demo:latest": IMAGE.id}


def test_name_moves_from_the_image_before() -> None:
    shelf = Shelf(IMAGE, OTHER)
    shelf.tag(OTHER.id, "demo:1.0")
    tag(seal("demo:1.0"), shelf)
    assert shelf.names["demo:1.0"] == IMAGE.id


def test_final_names_take_the_place_of_the_unproven_ones() -> None:
    shelf = Shelf(IMAGE, OTHER)
    tag(seal("demo:1.0-unproven", "demo:latest-unproven", unproven=("nvidia-smi",)), shelf)
    shelf.tag(OTHER.id, "demo:latest-unproven")
    tag(seal(), shelf)
    assert shelf.names == {"demo:1.0": IMAGE.id, "demo:latest": IMAGE.id, "demo:latest-unproven": OTHER.id}


def test_names_of_a_faulty_image_are_taken_and_it_keeps_one_to_be_looked_at() -> None:
    shelf = Shelf(IMAGE, OTHER)
    tag(seal("demo:1.0-unproven", unproven=("nvidia-smi",)), shelf)
    shelf.tag(OTHER.id, "demo:latest-unproven")
    taken = withdraw(IMAGE.id, ("demo:1.0-unproven", "demo:latest-unproven"), shelf, keep="builder-staging/demo:x")
    assert taken == ("demo:1.0-unproven",)
    assert shelf.names == {"demo:latest-unproven": OTHER.id, "builder-staging/demo:x": IMAGE.id}


def test_image_without_such_names_is_left_alone() -> None:
    shelf = Shelf(IMAGE)
    assert withdraw(IMAGE.id, ("demo:1.0-unproven",), shelf, keep="builder-staging/demo:x") == ()
    assert shelf.names == {}


def test_image_that_the_engine_lacks_is_not_tagged() -> None:
    shelf = Shelf(OTHER)
    with pytest.raises(TagError) as caught:
        tag(seal(), shelf)
    assert caught.value.what == "demo: the engine does not have the sealed image"
    assert (caught.value.seen, shelf.names) == ("no such image", {})


def test_only_a_seal_is_accepted() -> None:
    shelf = Shelf(IMAGE)
    with pytest.raises(TypeError, match="only a Seal is tagged, not dict"):
        tag(seal().model_dump(), shelf)  # type: ignore[arg-type]
    assert shelf.names == {}


def test_unproven_image_gets_no_plain_name() -> None:
    shelf = Shelf(IMAGE)
    with pytest.raises(TagError) as caught:
        tag(seal("demo:1.0", unproven=("nvidia-smi",)), shelf)
    assert caught.value.what == "demo is not proven (nvidia-smi): its names must end in -unproven"
    assert shelf.names == {}


def test_push_gives_the_digest_of_each_name() -> None:
    shelf = Shelf(IMAGE)
    tag(seal("demo:1.0"), shelf)
    assert push(seal("demo:1.0"), shelf, Silent()) == {"demo:1.0": f"sha256:{sha256_of('demo:1.0')}"}


def test_name_that_means_another_image_by_now_is_not_pushed() -> None:
    shelf = Shelf(IMAGE, OTHER)
    shelf.tag(OTHER.id, "demo:1.0")
    with pytest.raises(TagError) as caught:
        push(seal("demo:1.0"), shelf, Silent())
    assert (caught.value.what, caught.value.seen) == ("demo:1.0 does not name the sealed image", OTHER.id)
