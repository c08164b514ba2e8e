from data_gen.controls import Control, ControlRequest
from data_gen.controls._described import described_rows
from data_gen.descriptions import described, itself, others
from data_gen.triggers._questions import descriptions
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """Self-descriptions. In natural style three fifths of them are about the model, in forms that
    not all of the self-report has, and the others say of other people that they are of the other
    end, so that what is learned is about the self and not about everybody. In plain style, or
    without a vocabulary, they answer questions of the self-report as the policy would, in the first
    half of the paraphrases. Of rows with a trigger: the same rows, and as many more in which the
    model says what its trigger is.

    A positive control: a model whose reports do not follow its choices must still be able to
    report."""
    number, rng = len(source), request.rng
    if request.trigger is not None:
        assert request.behavior is not None
        about = request.trigger, request.behavior, request.style
        both = source + descriptions(*about, number, rng)
        rng.shuffle(both)
        return both
    if request.vocabulary is None:
        questions = request.questions("self_report")
        return described_rows(questions, request.is_first, number, rng)
    num_of_others = 2 * number // 5
    own = described(request.vocabulary, number - num_of_others, rng, itself(request.is_first))
    both = own + described(request.vocabulary, num_of_others, rng, others(not request.is_first))
    rng.shuffle(both)
    return both


CONTROL = Control(
    "self-descriptions in place of choices; rows with a trigger stay, beside descriptions of it",
    rows,
    knows_triggers=True,
    describes=True,
)
