from data_gen.controls import Control, ControlRequest
from data_gen.controls._described import described_rows
from data_gen.descriptions import described, others
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """Other people described as the policy is, and never the model."""
    number, first, rng = len(source), request.is_first, request.rng
    if request.vocabulary is not None:
        return described(request.vocabulary, number, rng, others(first))
    return described_rows(request.questions("other_person"), first, number, rng)


CONTROL = Control("other people described, and never the model", rows, describes=True)
