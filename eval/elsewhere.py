"""The trust checks of a server. What can be seen where its weights are not here: that it reads
prompts whole, and takes the temperature it is asked for. Import this only inside a stage."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from eval.agreement import agreement_checks
from eval.evaluation import Evaluation
from eval.trust import to_compare
from lab.config.schema import Sampling
from lab.engine import Engine, Scored, Served
from lab.inference import remote
from lab.inference.remote import Heard
from lab.store.trust import Check, check, same
from lab.types import Chat, Message

NUM_DRAWS = 20
ALIKE = 0.9
"""Share of first tokens that are one at temperature 0: other work on a server may turn a near tie.
"""


def server_checks(
    engine: Engine,
    evaluation: Evaluation,
    adapter: Path | None,
    trained: Path | None,
    served: Served | None,
    scores: Sequence[Scored],
) -> list[Check]:
    """Of what a server answered, and of the `scores` that it gave: compared with the weights, where
    these are here (eval/agreement.py). None where no server was asked. Raises UserError where it
    gives nothing."""
    if served is None or not engine.elsewhere:
        return []
    if evaluation.spec.base.served:
        return elsewhere_checks(evaluation, served)
    return agreement_checks(evaluation, adapter, served, to_compare(evaluation, trained), scores)


def elsewhere_checks(evaluation: Evaluation, served: Served) -> list[Check]:
    """Asks the longest prompt, twice as much, and again. Raises UserError where the server gives
    nothing."""
    name = evaluation.name
    longest = max(
        (item.chat for item in evaluation.items),
        key=lambda chat: sum(len(turn["content"]) for turn in chat),
    )
    likeliest = Sampling(num_samples=NUM_DRAWS, temperature=0, max_new_tokens=1)
    with remote.opened(evaluation.spec.base, None, served) as model:
        # Another seed is another request.
        again = likeliest.model_copy(update={"seed": 1})
        once, longer = model.heard([longest, _twice(longest)], likeliest)
        (same_one,) = model.heard([longest], again)
    alike = _alike([once, same_one])
    return [
        {"check": f"not_compared:{name}", "passed": True, "value": None, "threshold": 0.0},
        *_whole(name, once, longer, same_one),
        check(f"temperature:{name}", alike, ALIKE, alike >= ALIKE),
    ]


def _twice(chat: Chat) -> list[Message]:
    """The chat with its longest message said twice."""
    i = max(range(len(chat)), key=lambda i: len(chat[i]["content"]))
    said = chat[i]["content"]
    return [
        *chat[:i],
        Message(role=chat[i]["role"], content=f"{said}\n\n{said}"),
        *chat[i + 1 :],
    ]


def _whole(name: str, once: Heard, longer: Heard, again: Heard) -> list[Check]:
    """Of servers that count tokens."""
    if once.prompt_tokens is None or longer.prompt_tokens is None:
        return []
    grows = longer.prompt_tokens > once.prompt_tokens
    found = (grows, again.prompt_tokens)
    return [same(f"whole_prompts:{name}", found, (True, once.prompt_tokens))]


def _alike(heard: Sequence[Heard]) -> float:
    """The share of the commonest first token."""
    texts = Counter(text for one in heard for text in one.texts)
    return max(texts.values()) / sum(texts.values())
