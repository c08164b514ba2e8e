"""Listed answers are read from the logits. Free text is sampled, as by the engine `sampled`."""

from lab.engine import Engine
from lab.inference.local import SAMPLER, opened

ENGINE = Engine(
    name="exact-1",
    summary="the probabilities of listed answers, from the logits; free text is sampled",
    reads_lists=True,
    sampler=SAMPLER,
    opened=opened,
)
