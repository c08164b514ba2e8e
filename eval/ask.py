"""What is asked: the questions of a suite as chats, under a condition, and the digests by which
keys know them."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from data_gen.behaviors import load_behavior
from data_gen.traits import invented_traits, load_trait, trait_names
from data_gen.triggers import carrying, features
from data_gen.triggers._questions import told
from eval.judges import judge_digest, judge_of, title
from eval.suites import load_suite
from lab.chats import begun, composed
from lab.discover import beside, digest_of_code, is_path, short
from lab.errors import UserError
from lab.judge import ModelJudge, Named
from lab.judge_files import is_judge_file, read_judge
from lab.judging import Judging
from lab.specs import Asking
from lab.store.store import DIGITS, digest
from lab.types import Chat, Message, Partner, Question, Style, Suite, Wording

SYSTEMS: dict[Style, dict[str, str]] = beside(__file__, "systems")


@dataclass(frozen=True)
class Item:
    """One thing asked: a wording of a question, and the chat that asks it."""

    question: Question
    wording: Wording
    chat: tuple[Message, ...]


# Kept, because every evaluation of a study asks for the questions of its suite again.
@cache
def questions_of(asking: Asking) -> tuple[Question, ...]:
    """The questions of a suite; those about triggers are about the study's.

    Raises UserError where there is no such suite or behavior."""
    questions = _of_suite(load_suite(asking.suite), asking)
    if asking.knows:
        # The text of every reference model has the invented traits beside its behaviors.
        known = {*asking.knows, *(trait.name for trait in invented_traits())}
        questions = tuple(q for q in questions if _other(q) in known)
    questions = _of_kinds(questions, asking.kinds)
    condition = asking.condition
    if condition.told and condition.trigger:
        # The trigger comes first, then its decoys.
        feature = features(condition.trigger)[1 if condition.name == "decoy" else 0]
        questions = tuple(told(asking.style, question, feature) for question in questions)
    _refuse_repetition(asking, questions)
    return tuple(_with_judge_in_place(question, asking) for question in questions)


def _of_suite(suite: Suite, asking: Asking) -> tuple[Question, ...]:
    """What a suite asks; nothing where it is about a behavior and the study has none."""
    if asking.behavior is None:
        return suite.by_itself(asking.style) if suite.by_itself else ()
    behavior = load_behavior(asking.behavior)
    if suite.about_triggers and asking.triggers:
        return suite.about_triggers(behavior, asking.style, asking.triggers)
    return suite.questions(behavior, asking.style)


def _of_kinds(questions: tuple[Question, ...], kinds: Sequence[str]) -> tuple[Question, ...]:
    """The questions of these names, and their twins; all where there is none."""

    def is_named(question: Question) -> bool:
        names = filter(None, (question.name, question.twin))
        # Those about an unrelated trait are named TRAIT.NAME.
        return any(name.rpartition(".")[2] in kinds for name in names)

    return tuple(filter(is_named, questions)) or questions


def _refuse_repetition(asking: Asking, questions: Sequence[Question]) -> None:
    """Answers are known by question, paraphrase and order."""
    asked = [(q.name, w.paraphrase, w.order) for q in questions for w in q.wordings]
    repeated = next((name for name, count in Counter(asked).items() if count > 1), None)
    if repeated:
        question, paraphrase, order = repeated
        raise UserError(
            f"suite {short(asking.suite)!r} asks question {question!r} twice as paraphrase"
            f" {paraphrase} in order {order}; number its wordings, or rename one of the questions"
        )


def _with_judge_in_place(question: Question, asking: Asking) -> Question:
    """A judge that a user's file names by a path stands beside that file, wherever the work is
    done."""
    named = filter(None, (asking.suite, asking.behavior))
    named_in = next(filter(is_path, named), None)
    judge = question.judge
    if not isinstance(judge, str) or not is_path(judge) or named_in is None:
        return question
    file = Path(named_in).parent / judge
    return replace(question, judge=read_judge(file) if is_judge_file(judge) else str(file))


def items_of(asking: Asking, context: Chat = ()) -> list[Item]:
    """Every wording of every question, in their order. `context` stands before each."""
    return [
        Item(question, wording, tuple(chat_of(wording, asking, context)))
        for question in questions_of(asking)
        for wording in question.wordings
    ]


def chat_of(wording: Wording, asking: Asking, context: Chat = ()) -> list[Message]:
    """The chat that asks a wording; with the trigger, or what stands in for it, where the condition
    carries one."""
    chat, condition = composed(context, wording), asking.condition
    if condition.trigger and not condition.told:
        chat = carrying(condition.trigger, condition.name, chat)
    return begun(chat, wording)


def context_of(
    system: str | None, examples: Sequence[tuple[Message, ...]] = ()
) -> tuple[Message, ...]:
    """What precedes every question: a system line, and rows as earlier turns."""
    context: list[Message] = []
    if system is not None:
        context.append({"role": "system", "content": system})
    for messages in examples:
        # The rows' own system lines are left out: a chat has one, and it comes first.
        context += [message for message in messages if message["role"] != "system"]
    return tuple(context)


def is_listed(question: Question, reads_lists: bool) -> bool:
    """Whether the probabilities of its answers are read, by an engine that can; all else is
    sampled. Free text lists no answers, and after a conversation they depend on what was said."""
    return reads_lists and question.kind != "text" and question.partner is None


@cache
def asked_digest(asking: Asking, reads_lists: bool) -> str:
    """Of all chats, of what rows say of a question, and of the answers that are listed where their
    probabilities are read: a reworded question is answered anew. How answers are scored is no part
    of it."""
    items: list[object] = []
    for item in items_of(asking):
        question, wording = item.question, item.wording
        content: list[object] = [
            *(question.name, question.kind, wording.paraphrase, wording.order, wording.seen),
            *(question.free, question.presupposes, question.names_concept),
            item.chat,
        ]
        if question.about != "self":
            content.append(question.about)
        if is_listed(question, reads_lists):
            content.append([[option.text, *option.variants] for option in wording.options])
        if question.partner:
            content.append(_partner_digest(question.partner, asking))
        items.append(content)
    return digest(items)[:DIGITS]


def pole_of(asking: Asking, question: Question) -> str:
    """What a score of 1 stands for."""
    suite = load_suite(asking.suite)
    if suite.pole:
        return suite.pole
    if not suite.of_others:
        return load_behavior(asking.behavior).policies[0] if asking.behavior else "first"
    other = _other(question)
    about = load_trait(other) if other in trait_names() else load_behavior(other)
    return about.policies[0]


def _other(question: Question) -> str:
    """The behavior or trait that a question of a suite about others is of, which stands before its
    name."""
    return question.name.partition(".")[0]


def forget() -> None:
    """Ask for questions anew: a file of a user's may have been edited since they were."""
    for kept in (questions_of, asked_digest, _graded_digest):
        kept.cache_clear()


def models_that_judge(asking: Asking, judge: Named | None) -> list[ModelJudge]:
    """The models among the judges of a suite, each once; `judge` grades free text instead of whom
    the questions name."""
    named = [judge_of(question, judge) for question in questions_of(asking)]
    return list(dict.fromkeys(one for one in named if isinstance(one, ModelJudge)))


def graded_digest(asking: Asking, judge: Named | None, judging: Sequence[Judging] = ()) -> str:
    """Of every option with its score, of poles and judges: what a grade depends on beside the
    answer. `judging` are the models that judge, as they are loaded."""
    named = {judge_of(question, judge) for question in questions_of(asking)}
    rules = [judge_digest(n) for n in sorted(n for n in named if isinstance(n, str))]
    identities = {one.judge: digest(one.identity) for one in judging}
    # One that was not planned is no other.
    models = [identities.get(one, "") for one in models_that_judge(asking, judge)]
    return _graded_digest(asking, judge, (*rules, *models))


# Kept for a state of the judges, whose code may change under a process.
@cache
def _graded_digest(asking: Asking, judge: Named | None, judges: tuple[str, ...]) -> str:
    graded: list[object] = [*judges]
    for question in questions_of(asking):
        name = judge_of(question, judge)
        options = [
            [[option.text, option.score, *option.variants] for option in wording.options]
            for wording in question.wordings
        ]
        who = [question.name, question.free, pole_of(asking, question), name and title(name)]
        graded.append([*who, options])
    return digest(graded)[:DIGITS]


def _partner_digest(partner: Partner, asking: Asking) -> list[object]:
    """What a partner will say is not known before it is met: its name, its limit, and the code in
    which it stands or that may have made it."""
    makers: list[Callable[..., object]] = [load_suite(asking.suite).questions]
    if asking.behavior:
        makers.append(load_behavior(asking.behavior).questions)
    code = [digest_of_code(function) for function in (partner.says, *makers)]
    return [partner.name, partner.most_turns, *code]
