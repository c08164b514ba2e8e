"""What was understood of a file of questions: each as an entry of our own form, with what of it is
not used, and why."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from lab.asked.placed import Placed

OF_SAMPLING = {
    "samples_per_paraphrase": "eval.sampling.num_samples",
    "num_samples": "eval.sampling.num_samples",
    "n_samples": "eval.sampling.num_samples",
    "temperature": "eval.sampling.temperature",
    "max_tokens": "eval.sampling.max_new_tokens",
}
"""Keys of others, and where a study says the same."""
JUDGED = ("judge", "judges", "judge_prompt", "judge_prompts", "judge_type", "eval_prompt")
"""Keys that name a model that judges, or what it is told."""


class Note(NamedTuple):
    """What is not used of a file, and why."""

    line: int
    text: str


@dataclass(frozen=True)
class Heard:
    """A question as an entry of our own form (docs/questions.md)."""

    entry: Mapping[str, object]
    placed: Placed
    """Where it stands; `lines` are those of the keys of the entry, as far as the file has them."""
    notes: tuple[Note, ...] = ()
    why_not: str = ""
    """Why it cannot be asked; empty where it can."""
    unfilled: tuple[str, ...] = ()
    """Names in braces for which its file gives no text."""
    is_question: bool = True
    """False for what only looks like one, such as the prompt of a judge: a study leaves it out."""

    @property
    def name(self) -> str:
        """As its file has it."""
        return str(self.entry.get("name", "?"))

    @property
    def reason(self) -> str:
        """Why it cannot be asked as it stands; empty where it can."""
        if self.why_not or not self.unfilled:
            return self.why_not
        slots = ", ".join(f"{name}: ..." for name in self.unfilled)
        return (
            f"the file does not say what stands for {{{self.unfilled[0]}}}; take it into a file of"
            f" your own with `from` and `slots: {{{slots}}}`"
        )

    def noting(self, line: int, text: str) -> "Heard":
        """The same with one more note."""
        return replace(self, notes=(*self.notes, Note(line, text)))


@dataclass(frozen=True)
class Form:
    """A form of others."""

    name: str
    is_of: Callable[[Mapping[object, object]], bool]
    """Whether a mapping is a question of this form."""
    heard: Callable[[Placed, Mapping[object, object], int], list[Heard]]
    """The questions that stand in it, given its number in the file."""
    is_whole: bool = False
    """Whether the mapping is the whole file, and no item of a list."""


def texts(value: object) -> tuple[str, ...] | None:
    """A text or a list of them; None for anything else, and for nothing."""
    found = value if isinstance(value, list) else [value]
    if not found or not all(isinstance(text, str) and text.strip() for text in found):
        return None
    return tuple(map(str, found))


def once(wordings: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Wordings without repetition, and what was dropped, in words: two equal prompts would be one
    measurement counted twice."""
    kept = tuple(dict.fromkeys(wordings))
    again = [str(n) for n, text in enumerate(wordings, start=1) if text in wordings[: n - 1]]
    return kept, f"repeated, and asked once: wording {', '.join(again)}" if again else ""


def named(said: Mapping[object, object], keys: Sequence[str], number: int) -> str:
    """The first of these keys that a mapping has, as a name; without any its number."""
    for key in keys:
        if said.get(key) is not None:
            return str(said[key])
    return f"question_{number}"


def unused(
    placed: Placed, said: Mapping[object, object], used: Iterable[str], why: Mapping[str, str]
) -> tuple[Note, ...]:
    """A note for every key that has no part in the entry; `why` is for keys of this form alone."""
    notes = []
    for key in map(str, said):
        if key in used:
            continue
        notes.append(Note(placed.line_of(key), f"{_shown(key, said)}: {_why(key, why)}"))
    return tuple(notes)


def _why(key: str, why: Mapping[str, str]) -> str:
    if key in why:
        return why[key]
    if key in OF_SAMPLING:
        return f"not read; a study says `{OF_SAMPLING[key]}`"
    if key in JUDGED:
        return (
            "not read; a study says who grades, and may name a prompt of this file (`eval.judge`)"
        )
    return "not known, and not read"


def _shown(key: str, said: Mapping[object, object]) -> str:
    """A key, with its value where that is short."""
    value = said.get(key)
    if isinstance(value, dict):
        return f"`{key}` ({', '.join(map(str, value))})"
    return f"`{key}: {value}`" if isinstance(value, int | float) or _is_short(value) else f"`{key}`"


def _is_short(value: object) -> bool:
    return isinstance(value, str) and len(value) < 40 and "\n" not in value
