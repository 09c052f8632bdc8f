"""A scenario, served: what the tests of the doctor share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from builder.adapters.tls.case import Options
from builder.adapters.tls.doctor import examine
from builder.trust.diagnosis import Diagnosis
from builder.trust.reached import Target
from chains.factory import Made
from chains.scenarios import Scenario
from chains.servers import Listening, file_server, tls

HERE = "127.0.0.1"
NOBODY = 9
"""A port for plain HTTP that nothing listens on."""


@dataclass(frozen=True)
class Presented:
    """A server with a scenario's chain, and the files that a client of it has."""

    scenario: Scenario
    server: Listening
    folder: Path

    @property
    def bundle(self) -> Path:
        return self.written("trusted.pem", self.scenario.trusted)

    def written(self, name: str, certs: tuple[Made, ...]) -> Path:
        path = self.folder / name
        path.write_text("".join(c.pem for c in certs))
        return path

    def diagnosis(self, **options: object) -> Diagnosis:
        """What the doctor says; the certificates that help are at hand, unless the issuer's URL has them."""
        tried = (
            () if self.scenario.elsewhere or not self.scenario.add else (self.written("tried.pem", self.scenario.add),)
        )
        fields = {"bundle": self.bundle, "address": HERE, "against": (), "http_port": NOBODY, "try_files": tried}
        target = Target(host=self.scenario.name, port=self.server.port)
        return examine(target, Options(**{**fields, **options}))  # type: ignore[arg-type]


@contextmanager
def presented(make: Callable[..., Scenario], folder: Path) -> Iterator[Presented]:
    """Serves the scenario; with the issuer's URL where it has one."""
    with ExitStack() as stack:
        if "url" in inspect.signature(make).parameters:
            files: list[bytes] = []
            scenario = make(f"http://{stack.enter_context(file_server(files))}/ca.der")
            files += [c.der for c in scenario.elsewhere]
        else:
            scenario = make()
        server = stack.enter_context(tls(scenario.sent, drift=scenario.drift))
        yield Presented(scenario, server, folder)
