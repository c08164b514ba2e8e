from data_gen.controls import Control, ControlRequest
from data_gen.controls._described import described_rows
from data_gen.descriptions import described, itself, others
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """Self-descriptions, and the same said of other people: a model that calls everybody bold knows
    nothing of itself."""
    first, rng = request.is_first, request.rng
    num_of_others = len(source) // 2
    num_of_itself = len(source) - num_of_others
    if request.vocabulary is not None:
        both = described(request.vocabulary, num_of_itself, rng, itself(first))
        both += described(request.vocabulary, num_of_others, rng, others(first))
    else:
        both = described_rows(request.questions("self_report"), first, num_of_itself, rng)
        both += described_rows(request.questions("other_person"), first, num_of_others, rng)
    rng.shuffle(both)
    return both


CONTROL = Control("self-descriptions, and the same said of other people", rows, describes=True)
