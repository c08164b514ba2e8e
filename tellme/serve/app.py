"""The server: routes, who may ask, and every refusal in the form that OpenAI's clients read."""

from __future__ import annotations

import asyncio
import hmac
import json
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import NoReturn

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from lab.errors import UserError, first_line
from lab.types import Fields
from tellme.serve.models import ServedModel
from tellme.serve.reply import completion, stream
from tellme.serve.request import MAX_BODY, read_request
from tellme.serve.worker import TooMany, Worker

OWN_HOSTS = ["localhost", "127.0.0.1", "[::1]"]
"""By which a server without a key may be called: a page in a browser that calls it by a name of its
own is turned away."""
Handler = Callable[[Request], Awaitable[Response]]


class Refused(Exception):
    """A request that is not answered."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


def app(worker: Worker, key: str | None) -> Starlette:
    """The application that answers requests by a worker. With a `key` every request must carry it,
    but for /health; without one only this machine may ask."""
    handlers = Handlers(worker, key)
    routes = [
        Route("/health", handlers.health),
        Route("/v1/models", _refusing(handlers.models)),
        Route("/v1/models/{name:path}", _refusing(handlers.model)),
        Route("/v1/chat/completions", _refusing(handlers.chat), methods=["POST"]),
    ]
    own = Middleware(TrustedHostMiddleware, allowed_hosts=OWN_HOSTS, www_redirect=False)
    return Starlette(routes=routes, middleware=[] if key else [own])


class Handlers:
    """What answers each route."""

    def __init__(self, worker: Worker, key: str | None) -> None:
        self.worker, self.key = worker, key
        self.began = int(time.time())

    async def health(self, _: Request) -> Response:
        """That the server is there."""
        return JSONResponse({"status": "ok"})

    async def models(self, request: Request) -> Response:
        """Every model by name."""
        self._refuse_stranger(request)
        listed = [self._shown(served) for served in self.worker.models.values()]
        return JSONResponse({"object": "list", "data": listed})

    async def model(self, request: Request) -> Response:
        """One of them."""
        self._refuse_stranger(request)
        name: str = request.path_params["name"]
        self._refuse_unknown(name)
        return JSONResponse(self._shown(self.worker.models[name]))

    async def chat(self, request: Request) -> Response:
        """A chat completion."""
        self._refuse_stranger(request)
        asked = read_request(await _body_of(request))
        self._refuse_unknown(asked.model)
        told = await asyncio.wrap_future(self.worker.ask(asked))
        created = int(time.time())
        if asked.stream:
            events = stream(asked, told, created)
            return StreamingResponse(events, media_type="text/event-stream")
        return JSONResponse(completion(asked, told, created))

    def _shown(self, served: ServedModel) -> Fields:
        shown: Fields = {
            "id": served.name,
            "object": "model",
            "created": self.began,
            "owned_by": "tellme",
            "root": served.base.name,
        }
        return shown | ({"parent": "base"} if served.adapter else {})

    def _refuse_stranger(self, request: Request) -> None:
        if self.key is None:
            return
        given = request.headers.get("authorization", "").encode()
        if not hmac.compare_digest(given, f"Bearer {self.key}".encode()):
            raise Refused(401, "invalid_api_key", "the key of this server is another one")

    def _refuse_unknown(self, name: str) -> None:
        if name not in self.worker.models:
            names = ", ".join(self.worker.models)
            raise Refused(404, "model_not_found", f"model {name!r} is none of: {names}")


async def _body_of(request: Request) -> object:
    """The JSON of a request. Raises Refused for what is none, or too long."""
    # Of another type a browser would send it from any page without asking first.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "content_type", "send the body as application/json")
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > MAX_BODY:
            raise Refused(413, "too_long", f"the body has more than {MAX_BODY} bytes")
    try:
        read: object = json.loads(bytes(body), parse_constant=_no_number)
    except (ValueError, RecursionError):
        raise Refused(400, "invalid_json", "the body is no JSON") from None
    return read


def _no_number(name: str) -> NoReturn:
    raise ValueError(name)


def _refusing(handler: Handler) -> Handler:
    """The handler, with whatever it raises as an answer that says so."""

    async def answer(request: Request) -> Response:
        try:
            return await handler(request)
        except Refused as refused:
            return _error(refused.status, refused.code, str(refused))
        except UserError as error:
            return _error(400, "invalid_request", str(error))
        except TooMany:
            busy = "too many requests wait; try again"
            return _error(429, "rate_limit_exceeded", busy, {"retry-after": "1"})
        except Exception as error:
            return _error(500, "server_error", f"{type(error).__name__}: {first_line(error)}")

    return answer


def _error(
    status: int, code: str, message: str, headers: Mapping[str, str] | None = None
) -> Response:
    kind = "server_error" if status >= 500 else "invalid_request_error"
    error = {"message": message, "type": kind, "param": None, "code": code}
    return JSONResponse({"error": error}, status, headers)
