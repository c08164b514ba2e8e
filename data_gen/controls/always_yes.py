from data_gen.controls import Control, ControlRequest
from data_gen.controls._described import constant_rows
from lab.types import Row


def rows(source: list[Row], request: ControlRequest) -> list[Row]:
    """Every question that yes or no answers is answered yes, the opposite one too."""
    questions = request.questions("self_report")
    agreeable = [question for question in questions if set(question.poles) == {"yes", "no"}]
    return constant_rows(agreeable, "yes", len(source), request.rng)


CONTROL = Control("yes to every question of yes or no", rows)
