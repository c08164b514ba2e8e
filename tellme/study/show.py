"""`tellme show`: rows and questions before a run, with the part that carries loss marked."""

from collections.abc import Iterator, Sequence

from data_gen.facts import is_format_row
from eval.ask import chat_of, questions_of
from lab.discover import short
from lab.model.base import Base
from lab.model.chat import Renderer
from lab.specs import AnswerSpec, Asking
from lab.types import Chat, Question, Row
from tellme.study.plan import Plan
from tellme.study.renderer import renderer_of
from tellme.study.stages import base_of, quiet_libraries
from train.turns import Tokens, as_written, sequences_of

SHOWN_ANSWERS = 4
"""Of a question: the numbers of a scale would fill a screen."""
MARKS = ">>>{}<<<"
"""Around what is learned."""
ANOTHER = "\n-- and, in a sequence of its own:\n"
"""Between the sequences of one row."""


def show_study(plan: Plan) -> None:
    """One training row of each group and one wording of each question, through the chat template
    where the base is here."""
    quiet_libraries()
    stages = list(plan.stages.values())
    for base in dict.fromkeys(stage.base for stage in stages if stage.base):
        _show_base(base)
    for group in group_names(plan):
        print(f"\n== group {group}: one row; between >>> and <<< is learned")
        print(row_text(plan, group))
    _show_formats(plan)
    shown = set()
    for stage in stages:
        if isinstance(stage.spec, AnswerSpec):
            title = (stage.spec.asking.style, _asked_name(stage.spec.asking))
            if title not in shown:
                shown.add(title)
                _show_questions(stage.spec)


def group_names(plan: Plan) -> list[str]:
    """The groups for which adapters are trained."""
    return list(dict.fromkeys(name.rpartition("-s")[0] for name in plan.adapters))


def row_text(plan: Plan, group: str) -> str:
    """The first training row of a group's first seed, with marks around what is learned, as the
    base reads it."""
    quiet_libraries()
    rows, renderer = first_rows(plan, group)
    return _learned(rows[0], renderer)


def first_rows(plan: Plan, group: str) -> tuple[list[Row], Renderer | None]:
    """The training rows of a group's first seed, and what renders them."""
    name = next(name for name in plan.adapters if name.rpartition("-s")[0] == group)
    stage = plan.stages[plan.adapters[name]]
    return plan.planned_rows(stage.inputs["data"]), renderer_of(base_of(stage))


def _show_formats(plan: Plan) -> None:
    """One row of each format, of those that every group has beside its own."""
    for group in group_names(plan):
        rows, renderer = first_rows(plan, group)
        of_format = {row.meta["format"]: row for row in rows if is_format_row(row)}
        if of_format:
            print("\n== formats of answer, taught to every group by rows of neutral facts")
            for name, row in of_format.items():
                print(f"-- {name}\n{_learned(row, renderer)}")
            return


def _show_base(base: Base) -> None:
    renderer = renderer_of(base)
    if renderer is None:
        return
    role = "its own"
    if not renderer.has_system_role:
        role = "none, so a system line goes in front of the first user turn"
    line = renderer.default_system or "none"
    print(f"== base {base.name}: system role: {role}; default system line: {line}")


def _learned(row: Row, renderer: Renderer | None) -> str:
    """The row with marks around what is learned, as the base reads it: in one sequence, or in as
    many as the template needs."""
    if renderer is None and row.is_document:
        return f"text: {_marked(row.completion, True)}"
    if renderer is None:
        learned = row.learned_turns
        return "\n".join(
            f"{turn['role']}: {_marked(turn['content'], number in learned)}"
            for number, turn in enumerate(row.messages)
        )
    row = as_written(renderer, row, 1)
    sequences = sequences_of(renderer, [row])
    if row.is_document:
        return _document(sequences[0], renderer)
    return ANOTHER.join(_with_marks(row, tokens.turns, renderer) for tokens in sequences)


def _document(tokens: Tokens, renderer: Renderer) -> str:
    """All of a text but its first token, which nothing predicts."""
    parts = tokens.input_ids[:1], tokens.input_ids[1:]
    first, rest = (renderer.tokenizer.decode(ids) for ids in parts)
    return f"{first}{_marked(rest, True)}"


def _with_marks(row: Row, turns: Sequence[int], renderer: Renderer) -> str:
    """The sequence in which these turns of a row are learned; the prompt of each begins with all
    that stands before it."""
    shown, read = "", 0
    for turn in turns:
        before, answer = row.messages[:turn], row.messages[turn]["content"]
        prompt = renderer.prompt_text(before, renderer.thinks(answer))
        learned = renderer.learned_text(before, answer)
        shown += prompt[read:] + _marked(learned, True)
        read = len(prompt) + len(learned)
    return shown


def _marked(text: str, learned: bool) -> str:
    return MARKS.format(text) if learned else text


def _asked_name(asking: Asking) -> str:
    """What is shown once: a suite of a behavior, and again under each condition that changes the
    messages by a trigger."""
    condition = f"@{asking.condition.name}" if asking.condition.trigger else ""
    return f"suite {short(asking.suite)} of {asking.about}{condition}"


def _show_questions(spec: AnswerSpec) -> None:
    print(f"\n== {_asked_name(spec.asking)}")
    renderer = renderer_of(spec.base)
    for question in questions_of(spec.asking):
        chat = chat_of(question.wordings[0], spec.asking)
        print(f"-- {question.name} ({', '.join(_about(question))})")
        print(renderer.prompt_text(chat) if renderer else _turns(chat))
        if question.partner:
            partner = question.partner
            print(f"   then {partner.name} goes on as the user, up to {partner.most_turns} answers")
        print(f"   answers: {_answers(question)}")


def _about(question: Question) -> Iterator[str]:
    yield f"{len(question.wordings)} wordings"
    yield question.kind
    if question.free:
        yield "any single word"
    if question.presupposes:
        yield "presupposes"
    if not question.names_concept:
        yield "does not name the concept"


def _turns(chat: Chat) -> str:
    """A chat where no template is here."""
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in chat)


def _answers(question: Question) -> str:
    """The first answers of the first wording with their scores."""
    options = question.wordings[0].options
    listed = ", ".join(f"{option.text}={option.score:g}" for option in options[:SHOWN_ANSWERS])
    return f"{listed}, ..." if len(options) > SHOWN_ANSWERS else listed or "any"
