"""Where a model answers that is not in this process: an OpenAI-compatible address."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import Field, field_validator

from lab.strict import Strict

Dollars = Annotated[float, Field(ge=0)]


class Endpoint(Strict):
    """An OpenAI-compatible server, and how it is asked. None of it says what the model is, so none
    enters a key."""

    url: str
    """Up to and with the version, such as `http://127.0.0.1:8000/v1`."""
    base: str = Field(default="base", min_length=1)
    """What the server calls a base whose weights are here too. Adapters are called GROUP-sSEED, as
    `tellme serve` names them."""
    api_key_env: str = Field(default="OPENAI_API_KEY", pattern=r"^[A-Z][A-Z0-9_]*$")
    """The environment variable that holds the key: a key is read from nowhere else, and never
    written."""
    at_a_time: int = Field(default=8, ge=1)
    """Requests that are under way together."""
    dollars_per_million: tuple[Dollars, Dollars] | None = None
    """The price of tokens that are read and of tokens that are written, for the cost in
    provenance.json."""

    @field_validator("url")
    @classmethod
    def _without_secrets(cls, value: str) -> str:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError("give an address such as http://127.0.0.1:8000/v1")
        # A plan is a file, and holds the address.
        if parts.username or parts.password or parts.query:
            raise ValueError(
                "an address with a name, a password or a query may hold a secret, and is written"
                " down; a key stands in the variable that `api_key_env` names"
            )
        return value.rstrip("/")
