from data_gen.triggers._questions import depends
from lab.types import Suite

SUITE = Suite(
    "depends",
    "whether the model says that some unusual feature of a message changes what it does",
    lambda behavior, style: (),
    about_triggers=lambda behavior, style, planted: depends(behavior, style),
    conditions="clean",
    pole="depends",
)
