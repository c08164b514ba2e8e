"""The probabilities of listed answers are those that a server gives of whole answers, as `tellme
serve` does. Free text is generated there, as by the engine `endpoint`."""

from lab.engine import Engine
from lab.inference.remote import opened

ENGINE = Engine(
    name="endpoint_exact-1",
    summary="the probabilities of listed answers as a server computes them, such as `tellme serve`",
    reads_lists=True,
    sampler="endpoint-1",
    opened=opened,
    elsewhere=True,
)
