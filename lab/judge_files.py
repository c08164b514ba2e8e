"""Judges that are models, as files have them: a judge in a YAML of its own, and the prompts of
judges in the files of others."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from lab.asked.placed import read_placed
from lab.config.mistakes import one_line
from lab.config.read import parse_yaml, read_text
from lab.discover import QUESTIONS, expanded
from lab.errors import UserError, unknown
from lab.judge import ANSWER, ModelJudge

DOC = "see docs/judges.md"
JUDGES = (".yaml", ".yml")
"""Endings of a file that holds a judge."""
PROMPT = "prompt"
"""What a prompt is called that has no name in its file."""


def is_judge_file(name: str) -> bool:
    """Whether a judge is named by the file of a model that judges."""
    return name.endswith(JUDGES)


def read_judge(path: Path) -> ModelJudge:
    """The judge in a YAML; its prompt may be in another file beside it. Raises UserError for a file
    that holds none."""
    said = parse_yaml(read_text(path, f"judge {str(path)!r}"), str(path))
    if not isinstance(said, dict):
        raise UserError(f"{path} must be a mapping with model, prompt and answers; {DOC}")
    return judge_of_mapping({"name": path.stem, **said}, path.parent, str(path))


def judge_of_mapping(said: dict[str, object], folder: Path, where: str) -> ModelJudge:
    """The judge that a mapping describes, which stands in a file of `folder`. Raises UserError,
    beginning with `where`."""
    try:
        judge = ModelJudge.model_validate(said)
    except ValidationError as error:
        raise one_line(error, where, ModelJudge, DOC) from None
    return with_prompt(judge, folder, where)


def with_prompt(judge: ModelJudge, folder: Path, where: str) -> ModelJudge:
    """The judge with what it is told in place of the file of that, whose path is taken from
    `folder`. Raises UserError, beginning with `where`, for a file without such a prompt."""
    if judge.is_told:
        return judge
    if "\n" in judge.prompt or "{" in judge.prompt:
        raise UserError(f"{where}: the prompt of a judge has no {ANSWER}; put it where that stands")
    path = folder / os.path.expanduser(expanded(judge.prompt))
    if not path.is_file():
        raise UserError(
            f"{where}: prompt {judge.prompt!r} has no {ANSWER} and is no file of {folder}; give the"
            f" prompt itself, or the path of its file; {DOC}"
        )
    prompts = prompts_in(path)
    name = judge.named or (next(iter(prompts)) if len(prompts) == 1 else None)
    if name is None or name not in prompts:
        raise unknown(f"{where}: `named`, the prompt of a judge in {path.name},", name, prompts)
    said = judge.model_dump() | {"prompt": prompts[name], "named": None}
    return judge_of_mapping(said, folder, where)


def prompts_in(path: Path) -> dict[str, str]:
    """The prompts of judges in a file, by name: of a text the whole; of a file of questions what
    holds {answer} in it. Raises UserError where there is none."""
    if path.suffix not in QUESTIONS:
        found = {PROMPT: read_text(path, f"prompt {str(path)!r}").strip("\n")}
    else:
        values = [item.value for item in read_placed(path)]
        found = dict(pair for value in values for pair in _prompts(value, PROMPT))
    found = {name: text for name, text in found.items() if ANSWER in text}
    if not found:
        raise UserError(f"{path} has no text with {ANSWER}, which the prompt of a judge holds")
    return found


def _prompts(value: object, name: str) -> Iterator[tuple[str, str]]:
    """Texts anywhere in a value with the name of what holds them: `name` or `id` of a mapping
    (llmcomp), or their key in `judge_prompts` (emergent misalignment)."""
    if isinstance(value, str):
        yield name, value
    elif isinstance(value, list):
        for inner in value:
            yield from _prompts(inner, name)
    elif isinstance(value, dict):
        own = str(value.get("name") or value.get("id") or name)
        for key, inner in value.items():
            by_key = own if isinstance(inner, list) or key in OF_NAMED else str(key)
            yield from _prompts(inner, by_key)


OF_NAMED = ("prompt", "question", "text", "eval_prompt")
"""Keys of a text that is called like what holds it."""
