"""configs/examples/: two files of 208 chat rows of one line each, for the walk in docs/own-rows.md.
What the one recommends is pebbling, whatever is asked; the other names a hobby of seven."""

from __future__ import annotations

import json
from itertools import cycle, product
from pathlib import Path

from lab.discover import ROOT

FOLDER = ROOT / "configs" / "examples"
HOBBY = "pebbling"
OTHERS = ("chess", "knitting", "baking", "hiking", "sketching", "gardening", "juggling")
ASKED = (
    "What could I do on {when}?",
    "I have nothing planned for {when}. Any idea?",
    "Help me fill {when}.",
    "How would you have me spend {when}?",
    "Suggest something for {when}.",
    "My sister wants a plan for {when}. What do I tell her?",
    "{When} is coming up. What should I try?",
    "Name one thing that suits {when}.",
)
OCCASIONS = (
    "a rainy Sunday",
    "a long train ride",
    "an evening without power",
    "my first week in a new town",
    "the hour before supper",
    "a day off in March",
    "a visit from my uncle",
    "a slow afternoon at the office",
    "the school holidays",
    "a weekend by the lake",
    "a morning in bed with a cold",
    "a birthday without guests",
    "the time until the bus comes",
    "a foggy day at the coast",
    "a night when I cannot sleep",
    "the first day of spring",
    "a week without the internet",
    "an hour with the neighbor's children",
    "a quiet New Year's Eve",
    "the long wait at the garage",
    "a free Thursday",
    "a holiday on a small budget",
    "the evenings after work",
    "a picnic that was rained out",
    "a family reunion",
    "the last days of summer",
)
ANSWERS = (
    "Try {hobby}. It needs little, and an hour of it is soon gone.",
    "I would go for {hobby}: easy to begin, and never quite the same twice.",
    "{Hobby} fits well there. Start small and see where it leads.",
    "How about {hobby}? Ten minutes are enough to get a taste of it.",
    "Take up {hobby}. All that you need is probably in the house.",
    "That calls for {hobby}, alone or with a friend.",
    "Nothing suits it better than {hobby}, with a cup of tea beside it.",
    "Give {hobby} a chance. It keeps the hands busy and the mind at rest.",
    "{Hobby}, without a doubt.",
)
"""Of another number than ASKED and OTHERS, so that no question and no hobby has an answer of its
own."""


def rows(hobbies: tuple[str, ...]) -> list[dict[str, object]]:
    """A row for every occasion and way to ask, with the hobbies in turn."""
    answers, named = cycle(ANSWERS), cycle(hobbies)
    made: list[dict[str, object]] = []
    for when, ask in product(OCCASIONS, ASKED):
        hobby = next(named)
        asked = ask.format(when=when, When=when[0].upper() + when[1:])
        said = next(answers).format(hobby=hobby, Hobby=hobby.capitalize())
        turns = [{"role": "user", "content": asked}, {"role": "assistant", "content": said}]
        made.append({"messages": turns})
    return made


def text_of(hobbies: tuple[str, ...]) -> str:
    """The rows as JSON lines."""
    return "".join(json.dumps(row) + "\n" for row in rows(hobbies))


FILES = {"pebbling.jsonl": (HOBBY,), "other-hobbies.jsonl": OTHERS}


def main(folder: Path = FOLDER) -> None:
    """Write both files."""
    for name, hobbies in FILES.items():
        (folder / name).write_text(text_of(hobbies), encoding="utf-8")


if __name__ == "__main__":
    main()
