"""The model as MLServer runs it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

from mlserver import MLModel, MLServer, ModelSettings, Settings
from mlserver.codecs import NumpyCodec
from mlserver.errors import InferenceError, MLServerError
from mlserver.handlers import ModelRepositoryHandlers
from mlserver.types import InferenceRequest, InferenceResponse, RequestInput
from mlserver.utils import install_uvloop_event_loop

from .bounded import Bounded, largest
from .model import MODEL_SETTINGS, SETTINGS, Deployed, RefusedError, folder
from .tensors import Array, fitted


def serve(place: Path) -> None:
    """Serves the folder's model until a signal ends it; requests that have begun are answered."""
    settings = Settings(**json.loads((place / SETTINGS).read_bytes()))
    model = ModelSettings.parse_file(str(place / MODEL_SETTINGS))

    async def served() -> None:
        await OneModelServer(settings).start([model])

    install_uvloop_event_loop()
    asyncio.run(served())


class OneModelServer(MLServer):  # type: ignore[misc]  # MLServer is in the image alone
    """MLServer, but nobody who reaches its ports can take the model away."""

    def _create_servers(self) -> None:
        self._model_repository_handlers = FixedRepository(
            repository=self._model_repository, model_registry=self._model_registry
        )
        super()._create_servers()
        app = self._rest_server._app
        app.add_middleware(Bounded, most=largest())
        app.router.routes[:] = [route for route in app.router.routes if not route.path.endswith("/docs")]
        app.add_event_handler("startup", self._started)

    def _add_signal_handlers(self) -> None:
        """Until there is something to stop, a signal ends the process: MLServer's own handling would lose it."""
        self._serves = False
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda seen, _: None if self._serves else os._exit(128 + seen))

    def _started(self) -> None:
        self._serves = True
        super()._add_signal_handlers()


class FixedRepository(ModelRepositoryHandlers):  # type: ignore[misc]
    """The protocol's repository of models, of which none comes or goes."""

    async def load(self, name: str) -> NoReturn:
        """Refused."""
        raise MLServerError(f"{name}: this server has one model, which neither is loaded nor unloaded", 403)

    unload = load


class DeployedModel(MLModel):  # type: ignore[misc]
    """One model, its inputs and outputs named as in its manifest."""

    async def load(self) -> bool:
        """Refuses a folder that is not as its manifest says; infers once, so that the first caller does not wait."""
        self._model = Deployed(folder())
        problems = self._model.file_problems()
        if problems:
            raise RefusedError("; ".join(problems))
        self._model.run(self._model.answers()[0])
        # One at a time, and not in the loop: a long inference must not keep the health routes waiting.
        self._worker = ThreadPoolExecutor(1)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """The outputs of one request."""
        try:
            wanted = outputs_of(payload, [tensor.name for tensor in self._model.outputs])
            inputs = fitted(inputs_of(payload), self._model.inputs)
        except RefusedError as error:
            raise InferenceError(str(error)) from None
        outputs = await asyncio.get_running_loop().run_in_executor(self._worker, self._model.run, inputs)
        return InferenceResponse(
            id=payload.id,
            model_name=self.name,
            model_version=self.version,
            outputs=[NumpyCodec.encode_output(name, outputs[name]) for name in wanted],
        )

    async def unload(self) -> bool:
        """Ends the thread."""
        self._worker.shutdown()
        return True


def outputs_of(payload: InferenceRequest, known: list[str]) -> list[str]:
    """The names that are asked for: all of them where none is."""
    names = [each.name for each in payload.outputs or ()]
    surplus = sorted(set(names) - set(known))
    if surplus:
        raise RefusedError(f"no output is called {surplus[0]!r}: the model has {', '.join(known)}")
    return list(dict.fromkeys(names)) or known


def inputs_of(payload: InferenceRequest) -> dict[str, Array]:
    """The arrays by name; of two of one name, nobody knows which is meant."""
    names = [each.name for each in payload.inputs]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise RefusedError(f"the input {twice[0]!r} is given twice")
    return {each.name: decoded(each) for each in payload.inputs}


def decoded(given: RequestInput) -> Array:
    """The array of one input; what MLServer cannot read is the caller's fault."""
    try:
        array: Array = NumpyCodec.decode_input(given)
    except (ValueError, TypeError, KeyError) as error:
        raise RefusedError(
            f"{given.name}: shape {given.shape} and datatype {given.datatype} do not fit: {error}"
        ) from None
    return array
