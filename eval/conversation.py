"""Answers that are generated: to a question, or in a conversation with the partner that it has."""

from collections.abc import Sequence

from eval.ask import Item
from lab.config.schema import Sampling
from lab.engine import Answering
from lab.errors import UserError, first_line
from lab.types import Answer, Chat, Message, Partner


def answers_to(
    model: Answering, items: Sequence[Item], sampling: Sampling | None
) -> list[list[Answer]]:
    """`num_samples` answers to each item, in their order."""
    if not items:
        return []
    assert sampling is not None, "a plan says how answers are generated where there are any"
    answers = model.sample([item.chat for item in items], sampling)
    return [
        _gone_on(model, item, first, sampling) for item, first in zip(items, answers, strict=True)
    ]


def _gone_on(model: Answering, item: Item, first: list[Answer], sampling: Sampling) -> list[Answer]:
    """The answers to one item, each after the whole of its own conversation."""
    partner = item.question.partner
    if partner is None:
        return first
    return [
        _played(model, item.chat, answer, partner, _alone(sampling, number))
        for number, answer in enumerate(first)
    ]


def _alone(sampling: Sampling, number: int) -> Sampling:
    """How one sample goes on. Its seed is its own: what was said alike so far may end otherwise."""
    seed = sampling.seed * sampling.num_samples + number
    return sampling.model_copy(update={"num_samples": 1, "seed": seed})


def _played(
    model: Answering, asked: Chat, answer: Answer, partner: Partner, sampling: Sampling
) -> Answer:
    """The last answer of a conversation, and all that was said after the question. An answer that
    was cut ends it."""
    said: list[Message] = [{"role": "assistant", "content": answer.text}]
    for _ in range(partner.most_turns - 1):
        reply = None if answer.truncated else _reply(partner, [*asked, *said])
        if reply is None:
            break
        said.append({"role": "user", "content": reply})
        ((answer,),) = model.sample([[*asked, *said]], sampling)
        said.append({"role": "assistant", "content": answer.text})
    return Answer(answer.text, answer.thinking, answer.truncated, tuple(said))


def _reply(partner: Partner, chat: Chat) -> str | None:
    """What the partner says next. Raises UserError where it cannot."""
    try:
        reply = partner.says(chat)
    except Exception as error:
        raise UserError(f"partner {partner.name!r} failed: {first_line(error)}") from error
    if reply is not None and not isinstance(reply, str):
        raise UserError(f"partner {partner.name!r} said {reply!r}; it says a text, or None to end")
    return reply
