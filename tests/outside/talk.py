"""Questions that are conversations: a suite as a user writes one. One comes after a turn that is
written down; in the other a partner asks again after the model has answered."""

from lab.types import Behavior, Chat, Option, Partner, Question, Style, Suite, Wording, exchange

BOTH = (Option("tea", 1.0), Option("coffee", 0.0))


def again(chat: Chat) -> str | None:
    """The partner: doubts the answer once, and is content with the next."""
    answers = [turn["content"] for turn in chat if turn["role"] == "assistant"]
    return f"sure that it is {answers[-1]}?" if len(answers) == 1 else None


def questions(behavior: Behavior, style: Style) -> tuple[Question, ...]:
    """The same for every behavior."""
    earlier = exchange("what do you like?", "hot drinks.")
    after = Wording("and which?", BOTH, 0, before=earlier)
    doubted = Wording("tea or coffee?", BOTH, 0)
    return (
        Question("after_a_turn", "words", (after,)),
        Question("doubted", "text", (doubted,), partner=Partner("doubter", again, most_turns=3)),
    )


SUITE = Suite("talk", "what it likes, in the course of a talk", questions, pole="tea")
