"""What a chat template puts around an answer, read off the text that it writes."""

import re
from dataclasses import dataclass

from lab.errors import UserError

OPEN_THOUGHT = re.compile(r"<think>\s*$")
EMPTY_THOUGHT = re.compile(r"\s*<think>\s*</think>\s*")
NO_THOUGHT = re.compile(rf"{EMPTY_THOUGHT.pattern}$")
"""Ends a prompt after which a model is to answer at once."""
AFTER_OPEN_THOUGHT = "\n\n</think>\n\n"
"""Closes a thought that holds nothing, as the templates of thinking models write it."""


@dataclass(frozen=True)
class Frame:
    """What stands around an answer: the prompt, white space that merges into the answer's first
    token, and the rest of the turn."""

    before: str
    glue: str
    after: str

    def begun(self, beginning: str) -> "Frame":
        """The frame of what follows the beginning of an answer. White space at its end is no part
        of the prompt: tokenizers have it with the word after it."""
        kept = beginning.rstrip()
        return Frame(f"{self.before}{self.glue}{kept}", beginning[len(kept) :], self.after)


def frame_of(prompt: str, finished: str, answer: str) -> Frame:
    """The frame of an answer, from two texts of one template: the prompt up to where the model goes
    on, and the same chat finished with `answer`, a text that stands nowhere else in it.

    Templates differ in what they write between the prompt and the answer of a finished turn:

    - nothing: the prompt is the prompt;
    - white space (Mistral): it is no part of the prompt, since it merges into the answer's first
      token;
    - an empty thought (Qwen 3): the prompt ends with it, or the model would learn it as an answer;
    - no thought, though the prompt opens one (DeepSeek R1): a finished turn leaves it out, so an
      empty one is put into the prompt, after which an answer can stand at once.

    Raises UserError where the finished chat is anything else."""
    opened = OPEN_THOUGHT.search(prompt)
    kept = prompt[: opened.start()] if opened else prompt
    head, found, after = finished.rpartition(answer)
    between = head.removeprefix(kept)
    if not found or not head.startswith(kept) or EMPTY_THOUGHT.sub("", between).strip():
        raise UserError(
            f"the chat template does not keep prompt and answer as they are: {head[-60:]!r} should"
            f" go on from {prompt[-40:]!r}"
        )
    if EMPTY_THOUGHT.search(between):
        return Frame(head, "", after)
    if opened:
        return Frame(f"{prompt.rstrip()}{AFTER_OPEN_THOUGHT}", "", after)
    return Frame(prompt, between, after)
