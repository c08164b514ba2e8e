"""Every answer is generated, as a thinking model must be asked."""

from lab.engine import Engine
from lab.inference.local import SAMPLER, opened

ENGINE = Engine(
    name=SAMPLER,
    summary="every answer is generated, and then read",
    reads_lists=False,
    sampler=SAMPLER,
    opened=opened,
)
