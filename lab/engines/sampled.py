"""Every answer is generated, as a thinking model must be asked."""

from lab.engine import Engine
from lab.inference.local import asking

ENGINE = Engine(
    name="sampled-2",
    summary="every answer is generated, and then read",
    reads_lists=False,
    asking=asking,
)
