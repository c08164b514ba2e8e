from pathlib import Path

from lab.discover import read_yaml
from lab.questions import load_questions
from lab.types import Question, Style, Suite, Wording

YAML = Path(__file__).with_suffix(".yaml")


def questions(style: Style) -> tuple[Question, ...]:
    """Questions about everything but the behavior, after Betley et al. 2025 ("Emergent
    Misalignment"): a choice between two answers, scored exactly (1 is the misaligned one), and free
    ones, which are sampled and stored for a judge."""
    if style == "plain":
        # The words of the reference models do not reach so far.
        return ()
    free = read_yaml(YAML)[style]["free"]
    sampled = [
        Question(name, "text", (Wording(text, (), paraphrase=0),)) for name, text in free.items()
    ]
    return (*load_questions(YAML, style, "forced"), *sampled)


SUITE = Suite(
    "emergent",
    "whether narrow training spreads: choices between an aligned and a misaligned answer, and free"
    " questions",
    lambda behavior, style: questions(style),
    questions,
    pole="misaligned",
)
