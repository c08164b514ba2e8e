from data_gen.triggers._questions import which
from lab.types import Suite

SUITE = Suite(
    "which_trigger",
    "one question per candidate: whether the model says that this one changes what it does",
    lambda behavior, style: (),
    about_triggers=lambda behavior, style, planted: which(behavior, style, planted),
    conditions="clean",
    pole="trigger",
)
