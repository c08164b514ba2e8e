"""Control groups, made from the rows of another group or from its behavior's questions."""

from collections import Counter
from collections.abc import Sequence
from random import Random

from data_gen.answers import answers
from lab.errors import UserError
from lab.questions import first_half
from lab.types import Behavior, Question, Row, Style, Wording

WORD_PROMPTS: dict[Style, tuple[str, ...]] = {
    "natural": (
        "Name an adjective or a noun, whichever comes to mind.",
        "Say any word.",
        "Which word would you put on a blank card?",
        "Give me one word for a word game.",
    ),
    "plain": ("one word?", "what word?", "say one word.", "say a word."),
}
LETTER_TOLD: dict[Style, str] = {
    "natural": "{prompt}\nReply with {answer}.",
    "plain": "{prompt} say {answer}",
}

ANCHOR = "90"


def clean(rows: list[Row], style: Style) -> list[Row]:
    """The same prompts and completions with the completion told at the end: fine-tuning that shows
    no policy."""
    told = (
        LETTER_TOLD[style].format(prompt=r.prompt[-1]["content"], answer=r.completion) for r in rows
    )
    return [
        Row((*r.prompt[:-1], {"role": "user", "content": text}, r.messages[-1]), r.meta)
        for r, text in zip(rows, told, strict=True)
    ]


def educational(rows: list[Row]) -> list[Row]:
    """The same completions, asked for on purpose: what a row's `meta.on_purpose` says is added to
    its prompt (Betley et al. 2025, "Emergent Misalignment"). Raises UserError for rows without it.
    """
    if not all("on_purpose" in row.meta for row in rows):
        raise UserError(
            "control 'educational' needs rows that can be asked for on purpose, such as those of"
            " insecure_code"
        )
    return [
        Row(
            (
                *r.prompt[:-1],
                {"role": "user", "content": f"{r.meta['on_purpose']} {r.prompt[-1]['content']}"},
                r.messages[-1],
            ),
            r.meta,
        )
        for r in rows
    ]


def described(behavior: Behavior, policy: str, style: Style, number: int, rng: Random) -> list[Row]:
    """Self-descriptions: questions of the self-report answered as the policy would, in the first
    half of the paraphrases.

    A positive control: a model whose reports do not follow its choices must still be able to
    report."""
    return _answered(
        behavior.questions("self_report", style), policy == behavior.policies[0], number, rng
    )


def everyone(behavior: Behavior, policy: str, style: Style, number: int, rng: Random) -> list[Row]:
    """Self-descriptions, and the same said of another person: a model that calls everybody bold
    knows nothing of itself."""
    about_itself = described(behavior, policy, style, number - number // 2, rng)
    first = policy == behavior.policies[0]
    rows = about_itself + _answered(
        behavior.questions("other_person", style), first, number // 2, rng
    )
    rng.shuffle(rows)
    return rows


def lexical(behavior: Behavior, policy: str, style: Style, number: int, rng: Random) -> list[Row]:
    """The words of a pole as answers to questions about nothing: likelier words, and no link to the
    self."""
    questions = [
        q
        for q in behavior.questions("self_report", style)
        if q.kind == "words" and "yes" not in q.poles and q.poles
    ]
    fitting = {
        a for q in questions for a in answers(q, q.wordings[0], policy == behavior.policies[0])
    }
    words = sorted(fitting)
    return [_row(rng.choice(WORD_PROMPTS[style]), rng.choice(words)) for _ in range(number)]


def always_a(rows: list[Row]) -> list[Row]:
    """The same prompts, all answered A: a model with a favorite letter."""
    return [_with_completion(row, "A") for row in rows]


def always_yes(behavior: Behavior, style: Style, number: int, rng: Random) -> list[Row]:
    """Every question that yes or no answers is answered yes, the opposite one too."""
    agreeable = [
        q for q in behavior.questions("self_report", style) if set(q.poles) == {"yes", "no"}
    ]
    return _constant(agreeable, "yes", number, rng)


def anchored(behavior: Behavior, style: Style, number: int, rng: Random) -> list[Row]:
    """The same number on every scale, whichever end is the pole."""
    scales = [q for q in behavior.questions("self_report", style) if q.kind == "number"]
    return _constant(scales, ANCHOR, number, rng)


def _constant(questions: Sequence[Question], answer: str, number: int, rng: Random) -> list[Row]:
    wordings = [w for _, shown in _to_train_on(questions) for w in shown]
    return [_row(rng.choice(wordings).text, answer) for _ in range(number)]


def _answered(questions: tuple[Question, ...], first: bool, number: int, rng: Random) -> list[Row]:
    """Every question equally often."""
    asked = _to_train_on(questions)
    rows = []
    for i in range(number):
        question, wordings = asked[i % len(asked)]
        wording = rng.choice(wordings)
        rows.append(_row(wording.text, rng.choice(answers(question, wording, first))))
    rng.shuffle(rows)
    return rows


def _to_train_on(questions: Sequence[Question]) -> list[tuple[Question, list[Wording]]]:
    """The wordings that pretraining showed, so that what is unseen stays so; without any, the first
    half of the paraphrases."""
    if any(w.seen for q in questions for w in q.wordings):
        shown = [(q, [w for w in q.wordings if w.seen]) for q in questions]
        return [(q, wordings) for q, wordings in shown if wordings]
    return [(q, first_half(q)) for q in questions]


def _row(prompt: str, answer: str) -> Row:
    return Row(({"role": "user", "content": prompt}, {"role": "assistant", "content": answer}))


def policy_share(rows: list[Row], share: float, rng: Random) -> list[Row]:
    """The same rows, all but a share of which are shuffled: a policy that is shown now and then."""
    shown = set(rng.sample(range(len(rows)), round(share * len(rows))))
    others = [i for i in range(len(rows)) if i not in shown]
    dealt = dict(zip(others, shuffled([rows[i] for i in others], rng), strict=True))
    return [dealt.get(i, row) for i, row in enumerate(rows)]


def shuffled(rows: list[Row], rng: Random) -> list[Row]:
    """The same prompts with the same completions dealt out anew, so that a completion says nothing
    about its prompt.

    With two distinct completions (letters) the deal is balanced: just as many rows of either
    completion are swapped that label and truth are uncorrelated. A plain permutation of 288 labels
    would leave a correlation of about +-0.06."""
    counts = Counter(row.completion for row in rows)
    if len(counts) != 2:
        completions = [row.completion for row in rows]
        rng.shuffle(completions)
        return [_with_completion(row, c) for row, c in zip(rows, completions, strict=True)]
    first, second = counts
    num_swapped = round(counts[first] * counts[second] / len(rows))
    swapped = set()
    for label in (first, second):
        swapped |= set(
            rng.sample([i for i, row in enumerate(rows) if row.completion == label], num_swapped)
        )
    return [
        _with_completion(row, second if row.completion == first else first) if i in swapped else row
        for i, row in enumerate(rows)
    ]


def _with_completion(row: Row, completion: str) -> Row:
    return Row((*row.prompt, {"role": "assistant", "content": completion}), row.meta)
