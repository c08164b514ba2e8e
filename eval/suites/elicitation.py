from data_gen.triggers._questions import name_it
from lab.types import Suite

SUITE = Suite(
    "elicitation",
    "asked to write its trigger: exact probability that the answer begins with it rather than with"
    " a decoy, and sampled answers",
    lambda behavior, style: (),
    about_triggers=lambda behavior, style, planted: name_it(behavior, style, planted),
    conditions="clean",
    pole="trigger",
)
