"""A file of questions as values that know their lines: YAML, JSON, or one JSON value a line."""

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import yaml

from lab.config.read import parse_nodes, read_text
from lab.discover import QUESTIONS
from lab.errors import UserError


@dataclass(frozen=True)
class Placed:
    """A value of a file, and where it stands."""

    value: object
    line: int
    lines: dict[str, int] = field(default_factory=dict)
    """Of the keys, where it is a mapping and the file says."""
    is_whole: bool = False
    """Whether it is the whole file, and no item of a list."""

    def line_of(self, key: str) -> int:
        """Of a key, or where the whole begins."""
        return self.lines.get(key, self.line)


def read_placed(path: Path) -> list[Placed]:
    """The items of the list that a file is, the values on its lines, or the one mapping that it is.

    Raises UserError, with the line, for a file that cannot be read or is neither."""
    where = str(path)
    if path.suffix not in QUESTIONS:
        raise UserError(f"{where} is no file of questions; allowed: {', '.join(QUESTIONS)}")
    text = read_text(path, where).removeprefix("\ufeff")
    if path.suffix == ".jsonl":
        return _on_lines(text, where)
    return _in_json(text, where) if path.suffix == ".json" else _in_yaml(text, where)


def _in_yaml(text: str, where: str) -> list[Placed]:
    node, value = parse_nodes(text, where)
    if isinstance(value, list) and isinstance(node, yaml.SequenceNode):
        return [_at(one, item) for one, item in zip(node.value, value, strict=True)]
    return [replace(_at(node, value), is_whole=True)] if node is not None else []


def _at(node: yaml.Node, value: object) -> Placed:
    lines = {}
    if isinstance(node, yaml.MappingNode):
        lines = {str(key.value): key.start_mark.line + 1 for key, _ in node.value}
    return Placed(value, node.start_mark.line + 1, lines)


def _on_lines(text: str, where: str) -> list[Placed]:
    # Not by `splitlines`, which also breaks at characters that JSON leaves in a string.
    lines = enumerate(text.split("\n"), start=1)
    return [
        Placed(_json(line, f"{where}, line {number}"), number)
        for number, line in lines
        if line.strip()
    ]


def _json(text: str, where: str) -> object:
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where} is not valid JSON: {error}") from None
    return value


def _in_json(text: str, where: str) -> list[Placed]:
    value = _json(text, where)
    if not isinstance(value, list):
        return [Placed(value, 1, _found(text, value), is_whole=True)]
    # Each item once more, from where it begins, to know its line.
    decoder, at, items = json.JSONDecoder(), text.index("[") + 1, []
    for _ in value:
        at += len(text[at:]) - len(text[at:].lstrip(" \t\r\n,"))
        item, end = decoder.raw_decode(text, at)
        items.append(Placed(item, 1 + text.count("\n", 0, at)))
        at = end
    return items


def _found(text: str, value: object) -> dict[str, int]:
    """The line of every key of a JSON mapping, and of every text in its lists, where it stands as
    JSON writes it."""
    if not isinstance(value, dict):
        return {}
    inside = [text for inner in value.values() if isinstance(inner, list) for text in inner]
    lines = {}
    for one in (*value, *inside):
        spellings = (json.dumps(one, ensure_ascii=False), json.dumps(one))
        at = max(text.find(spelling) for spelling in spellings)
        if isinstance(one, str) and at >= 0:
            lines[one] = 1 + text.count("\n", 0, at)
    return lines
