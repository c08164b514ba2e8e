"""`tellme serve`: load, check, say what is served, and answer until it is stopped."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
from dataclasses import dataclass

import uvicorn

from lab.errors import UserError
from lab.say import say
from lab.store.trust import Check
from tellme.serve.app import app
from tellme.serve.checks import refuse_failed, serving_checks
from tellme.serve.models import Offer
from tellme.serve.worker import Worker
from tellme.study.stages import quiet_libraries

KEY = "TELLME_API_KEY"
"""The variable of the environment that holds the key of the server."""
SECONDS_TO_END = 5
"""Left to requests that are being answered when the server is stopped."""


@dataclass(frozen=True)
class Address:
    """Where the server is found."""

    host: str
    port: int
    """0 is any that is free."""

    @property
    def is_own(self) -> bool:
        """Whether only this machine reaches it."""
        try:
            return ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return self.host == "localhost"


def serve(offer: Offer, address: Address) -> None:
    """Serve what a study offers until SIGINT or SIGTERM.

    Raises UserError for an address that cannot be had, or that others reach while there is no key;
    TrustError where a check fails, before anything is answered."""
    key = key_for(address)
    server_socket = bound(address)
    with server_socket:
        quiet_libraries()
        say(f"checking {len(offer.models)} models of {offer.study}")
        worker = Worker(offer.models)
        try:
            checks = serving_checks(worker)
            refuse_failed(checks)
            print(served_text(offer, server_socket, key, checks), flush=True)
            _answer(worker, key, server_socket)
        finally:
            worker.drop()
            worker.close()


def _answer(worker: Worker, key: str | None, server_socket: socket.socket) -> None:
    """Until SIGINT or SIGTERM, which is how it is meant to end."""
    settings = uvicorn.Config(
        app(worker, key), log_level="warning", timeout_graceful_shutdown=SECONDS_TO_END
    )
    # uvicorn raises a signal again when it has ended, for the handler that was there before.
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)
    uvicorn.Server(settings).run(sockets=[server_socket])


def key_for(address: Address) -> str | None:
    """The key that requests must carry. Raises UserError where others reach the server and there is
    none."""
    key = os.environ.get(KEY) or None
    if key is None and not address.is_own:
        raise UserError(
            f"--host {address.host!r} lets others ask, and there is no key; set {KEY} to a secret,"
            " or serve this machine alone with --host 127.0.0.1"
        )
    return key


def bound(address: Address) -> socket.socket:
    """A socket that listens. Raises UserError where that cannot be had."""
    family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
    try:
        return socket.create_server((address.host, address.port), family=family)
    except (OSError, OverflowError) as error:
        raise UserError(
            f"--host {address.host} --port {address.port} cannot be had ({error}); give another"
            " port, 0 for any that is free"
        ) from None


def served_text(
    offer: Offer, server_socket: socket.socket, key: str | None, checks: list[Check]
) -> str:
    """The address, the models, and what was checked."""
    host, port = server_socket.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    lines = [f"{offer.study}: http://{shown}:{port}/v1"]
    lines += [
        f"  {served.name}  {served.adapter or served.base.name}" for served in offer.models.values()
    ]
    lines += [f"not served: {group}" for group in offer.left_out]
    lines.append(f"trust: {len(checks)} checks passed")
    lines.append(
        f"key: {f'{KEY}, in every request' if key else 'none, and only this machine asks'}"
    )
    return "\n".join(lines)
