"""Print lab/config/fields.yaml: the fields of peft.LoraConfig and trl.SFTConfig, with the types a
YAML may give them."""

from __future__ import annotations

import dataclasses
import re

HEADER = (
    "# Fields of peft.LoraConfig and trl.SFTConfig with the types a YAML may give them. Written by"
    " `make fields`; a test\n# compares with the installed classes. Importing TRL to read them"
    " takes ten seconds.\n"
)
KINDS = {
    "bool": r"\bbool\b",
    "int": r"\bint\b",
    "float": r"\bfloat\b",
    "str": r"\bstr\b|Literal|Strategy|SchedulerType|Optimizer",
    "list": r"[Ll]ist\b|Sequence|tuple",
    "dict": r"[Dd]ict\b|Config",
    "None": r"\bNone\b|Optional",
}


def fields_text() -> str:
    from peft import LoraConfig
    from trl import SFTConfig

    lines = [HEADER.rstrip()]
    for section, cls in (("lora", LoraConfig), ("sft", SFTConfig)):
        lines.append(f"{section}:")
        for field in sorted(dataclasses.fields(cls), key=lambda f: f.name):
            kinds = [kind for kind, pattern in KINDS.items() if re.search(pattern, str(field.type))]
            if field.init:
                lines.append(f"  {field.name}: {' | '.join(kinds) or 'str'}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(fields_text(), end="")
