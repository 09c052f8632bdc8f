"""The container engine, by way of the docker SDK: inspect, run a check, tag, push, remove."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, BinaryIO

from builder.adapters.engine.alter import altered
from builder.adapters.engine.at_rest import AtRest, at_rest
from builder.adapters.engine.image_facts import image_facts, layer_sizes
from builder.adapters.engine.sandbox import Sandbox, sweep, sweep_own
from builder.errors import EngineError, TagError
from builder.models.base import ImageId
from builder.models.engine import Completed, EngineFacts, ImageFacts

if TYPE_CHECKING:
    from pathlib import Path

    import docker

    from builder.progress import Progress, Task

_REMEDY = "run `builder doctor engine`"


def endpoint() -> str:
    """Where the docker CLI would look: DOCKER_HOST, else the current context's host, else the local socket.

    Raises EngineError when the context that is asked for does not exist: the SDK would take the local socket instead.
    """
    import os  # noqa: PLC0415 - beside the SDK, which is imported late

    from docker.context import ContextAPI  # noqa: PLC0415 - not on the path of `builder --help`
    from docker.context.config import get_current_context_name  # noqa: PLC0415

    if host := os.environ.get("DOCKER_HOST"):
        return host
    name = os.environ.get("DOCKER_CONTEXT") or get_current_context_name()
    context = ContextAPI.get_context(name)
    if context is None:
        raise EngineError(
            f"there is no docker context named {name}",
            where="DOCKER_CONTEXT, or currentContext in docker's config.json",
            remedy="choose one that `docker context ls` shows, or unset it",
        )
    return str(context.Host or "unix:///var/run/docker.sock").removeprefix("http+")


class Engine:
    """A connection to the engine at an address, else to that which the docker CLI would use; made when first needed."""

    def __init__(self, address: str | None = None) -> None:
        self._given = address

    @cached_property
    def address(self) -> str:
        """Where the engine is; see `endpoint`."""
        return self._given or endpoint()

    @cached_property
    def _client(self) -> docker.DockerClient:
        with self._talking("no container engine answers"):
            first = _connected(self.address, "1.41", given=self._given)
            version = first.version(api_version=False)["ApiVersion"]
            first.close()
            return _connected(self.address, version, given=self._given)

    @cached_property
    def facts(self) -> EngineFacts:
        """What the engine is and can do. Raises EngineError when none answers."""
        with self._talking("the engine does not say what it is"):
            version, info = self._client.version(), self._client.info()
        component: dict[str, Any] = next(iter(version.get("Components") or ()), {})
        devices = [d.get("ID", "") for d in info.get("DiscoveredDevices") or ()]
        return EngineFacts(
            address=self.address,
            name=component.get("Name") or "Engine",
            version=version["Version"],
            os=version["Os"],
            arch=version["Arch"],
            nvidia="nvidia" in (info.get("Runtimes") or {}) or any("nvidia.com/gpu" in d for d in devices),
            memory_limit=bool(info.get("MemoryLimit")),
            pids_limit=bool(info.get("PidsLimit")),
            host=str(info.get("Name") or ""),
        )

    def version(self) -> EngineFacts:
        """The same as `facts`, as a call."""
        return self.facts

    def inspect(self, reference: str) -> ImageFacts | None:
        """What the engine knows of an image, by name or ID; None when it has no such image."""
        import docker.errors  # noqa: PLC0415

        with self._talking(f"cannot inspect {reference}"):
            try:
                return image_facts(self._client.api.inspect_image(reference))
            except docker.errors.ImageNotFound:
                return None

    def layer_sizes(self, image: ImageFacts) -> tuple[int, ...] | None:
        """What each layer takes on the engine's disk, lowest first; None where its history does not tell."""
        import docker.errors  # noqa: PLC0415

        with self._talking(f"cannot read the history of {image.id}"):
            try:
                return layer_sizes(self._client.api.history(image.id), len(image.layers))
            except docker.errors.ImageNotFound:
                return None

    def run_check(
        self,
        image: ImageId,
        *,
        argv: tuple[str, ...],
        stdin: bytes,
        timeout: int,
        gpus: bool = False,
        alters: bool = False,
        sees_all: bool = False,
        memory: int | None = 4 << 30,
    ) -> Completed:
        """Runs a program in a fresh, locked-down container of the image and removes the container, whatever happens.

        `timeout` is in seconds, `memory` in bytes (None: no limit); see `Sandbox` for what the container may do.
        """
        facts = self.facts
        sandbox = Sandbox(
            image=image,
            argv=argv,
            timeout=timeout,
            gpus=gpus,
            alters=alters,
            sees_all=sees_all,
            memory=memory if facts.memory_limit else None,
            pids=facts.pids_limit,
        )
        with self._talking(f"the engine could not run a check in {image}"):
            return sandbox.run(self._client.api, stdin)

    @contextmanager
    def at_rest(self, image: ImageId) -> Iterator[AtRest]:
        """The files of an image, for as long as the `with` block lasts; nothing of the image is run."""
        with self._talking(f"cannot read {image}"), at_rest(self._client.api, image) as files:
            yield files

    @contextmanager
    def altered(
        self, image: ImageFacts, script: str, variables: tuple[tuple[str, str], ...] = ()
    ) -> Iterator[ImageFacts]:
        """The image after `sh -eu` has run a script in it as root, for as long as the `with` block lasts.

        variables: what its configuration has from then on, by name.
        """
        with self._talking(f"cannot alter {image.id}"), altered(self._client.api, image, script, variables) as made:
            facts = self.inspect(made)
            if facts is None:
                raise EngineError("an image that was just made is gone", where=made)
            yield facts

    def labelled(self, label: str, value: str) -> tuple[ImageFacts, ...]:
        """The images that have that label."""
        with self._talking("cannot list images"):
            found = self._client.api.images(filters={"label": f"{label}={value}"}, quiet=True)
        facts = (self.inspect(image) for image in dict.fromkeys(found))
        return tuple(one for one in facts if one)

    def load(self, saved: Path, progress: Progress) -> None:
        """Brings the images of a `docker save` in, under the names that it has for them. Raises EngineError."""
        size = saved.stat().st_size
        with (
            self._talking(f"cannot load {saved}"),
            saved.open("rb") as file,
            progress.task(f"load {saved.name}", total=size, unit="bytes") as task,
        ):
            for event in self._client.api.load_image(_counted(file, task)):
                if "error" in event:
                    raise EngineError(f"the engine refuses {saved}", where=self.address, seen=event["error"])

    def tag(self, image: ImageId, reference: str) -> None:
        """Gives the image a name, taking it from whatever had it. Raises TagError."""
        import docker.errors  # noqa: PLC0415
        from docker.utils import parse_repository_tag  # noqa: PLC0415

        repository, tag = parse_repository_tag(reference)
        with self._talking(f"cannot tag {image}"):
            try:
                self._client.api.tag(image, repository, tag or "latest")
            except docker.errors.APIError as error:
                raise TagError(f"the engine refuses the name {reference}", seen=str(error.explanation)) from error

    def untag(self, reference: str) -> bool:
        """Takes a name away, and with the last name the image; False when there was no such name."""
        import docker.errors  # noqa: PLC0415

        with self._talking(f"cannot remove {reference}"):
            try:
                self._client.api.remove_image(reference)
            except docker.errors.ImageNotFound:
                return False
            return True

    def push(self, reference: str, progress: Progress) -> str:
        """Uploads a tagged image; gives the manifest's digest, as the registry names it. Raises TagError."""
        from docker.utils import parse_repository_tag  # noqa: PLC0415

        repository, tag = parse_repository_tag(reference)
        digest = ""
        with self._talking(f"cannot push {reference}"), progress.task(f"push {reference}", unit="bytes") as task:
            layers: dict[str, tuple[int, int]] = {}
            for event in self._client.api.push(repository, tag or "latest", stream=True, decode=True):
                if "error" in event:
                    raise _push_error(reference, event["error"])
                _show_upload(event, layers, task)
                digest = (event.get("aux") or {}).get("Digest", digest)
        return digest

    def remove_stale(self) -> int:
        """Removes the containers of checks whose `builder` is gone (kill -9); gives their number."""
        with self._talking("cannot remove the containers of earlier checks"):
            return sweep(self._client.api)

    def remove_own(self) -> int:
        """Removes the containers of this process's checks; gives their number."""
        with self._talking("cannot remove the containers of this run's checks"):
            return sweep_own(self._client.api)

    @contextmanager
    def _talking(self, what: str) -> Iterator[None]:
        import docker.errors  # noqa: PLC0415
        import requests.exceptions  # noqa: PLC0415

        try:
            yield
        except docker.errors.APIError as error:
            raise EngineError(what, where=self.address, seen=str(error.explanation or error)) from error
        except (docker.errors.DockerException, requests.exceptions.RequestException, OSError) as error:
            raise EngineError(what, where=self.address, seen=_innermost(error), remedy=_REMEDY) from error


def _connected(address: str, version: str, *, given: str | None) -> docker.DockerClient:
    """A client that has not said anything yet; it trusts what DOCKER_CERT_PATH or the context says.

    `requests` lets REQUESTS_CA_BUNDLE win over that, so an engine behind TLS would be refused wherever the site's own
    bundle is set: the environment is read for its proxies alone.
    """
    import os  # noqa: PLC0415 - beside the SDK, which is imported late

    import docker  # noqa: PLC0415 - not on the path of `builder --help`
    from requests.utils import get_environ_proxies  # noqa: PLC0415

    environment = {**os.environ, "DOCKER_HOST": given} if given else None
    ssh = address.startswith("ssh://")
    client = docker.from_env(timeout=60, version=version, use_ssh_client=ssh, environment=environment)
    client.api.trust_env = False
    if client.api.base_url.startswith(("http://", "https://")):
        client.api.proxies = get_environ_proxies(client.api.base_url)
    return client


def _innermost(error: BaseException) -> str:
    """The last cause's own words: the SDK wraps `No such file or directory` four times over."""
    seen: BaseException = error
    while (cause := seen.__cause__ or seen.__context__) is not None:
        seen = cause
    return str(seen) or type(seen).__name__


def _counted(file: BinaryIO, task: Task) -> Iterator[bytes]:
    while data := file.read(1 << 20):
        yield data
        task.advance(len(data))


def _push_error(reference: str, seen: str) -> TagError:
    return TagError(
        f"the registry refused {reference}",
        seen=seen,
        remedy="`docker login` to the registry; the name has to begin with its host and a repository you may write to",
    )


def _show_upload(event: dict[str, Any], layers: dict[str, tuple[int, int]], task: Task) -> None:
    """Moves the bar: an event carries one layer's bytes so far, and its size."""
    detail, layer = event.get("progressDetail") or {}, event.get("id", "")
    current, total = detail.get("current"), detail.get("total")
    if current is None or total is None:
        return
    before = layers.get(layer, (0, 0))[0]
    layers[layer] = (current, total)
    task.total(sum(size for _, size in layers.values()))
    task.advance(current - before)
    task.detail(layer)
