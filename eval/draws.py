"""Draws: to a free question any single word is a fair answer, and no list holds them all. Beside
the probabilities of its list answers are drawn, to see how many of them are one word
(eval/judges/listed.py)."""

from collections.abc import Sequence
from itertools import groupby

from eval.ask import Item, is_listed
from eval.suites import load_suite
from lab.config.schema import Sampling
from lab.engine import Answering
from lab.specs import Asking
from lab.types import Answer, Question

# 3 x 36 is more than a hundred a group of three; a word, with what a model puts round it, has few
# tokens.
DRAWS = Sampling(num_samples=36, temperature=1.0, max_new_tokens=8)
"""Of one model and question, over all its wordings."""


def is_drawn(question: Question, asking: Asking, reads_lists: bool) -> bool:
    """Whether answers are drawn beside the list. Not where a suite asks about other behaviors:
    nothing hangs on whether these can be measured."""
    of_others = load_suite(asking.suite).of_others
    return question.free and is_listed(question, reads_lists) and not of_others


def draws_of(seed: int | None) -> Sampling:
    """The draws of a fine-tune. Each seed has its own: fine-tunes that answer alike would else be
    drawn alike, and three of them would tell no more than one."""
    return DRAWS.model_copy(update={"seed": seed or 0})


def drawn(model: Answering, items: Sequence[Item], draws: Sampling | None) -> list[list[Answer]]:
    """Answers to every item, in their order: `num_samples` a question, spread evenly over its
    wordings and rounded up."""
    answers: list[list[Answer]] = []
    for _, wordings in groupby(items, key=lambda item: item.question.name):
        assert draws is not None, "a plan says how answers are drawn where any are"
        chats = [item.chat for item in wordings]
        of_wording = -(-draws.num_samples // len(chats))
        answers += model.sample(chats, draws.model_copy(update={"num_samples": of_wording}))
    return answers
