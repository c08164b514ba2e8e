"""Print lab/config/fields.yaml: the fields of peft.LoraConfig and trl.SFTConfig, with the types a
YAML may give them. Run by `make fields`."""

from __future__ import annotations

import dataclasses
import re

HEADER = (
    "# Fields of peft.LoraConfig and trl.SFTConfig with the types a YAML may give them. Written by"
    " `make fields`; a test\n# compares with the installed classes. Importing TRL to read them"
    " takes ten seconds."
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
"""Type of a YAML value, by what stands in the annotation of a field."""


def fields_text() -> str:
    """The YAML: a section a class, and a line a field that its constructor takes."""
    from peft import LoraConfig
    from trl import SFTConfig

    lines = [HEADER]
    for section, cls in (("lora", LoraConfig), ("sft", SFTConfig)):
        lines.append(f"{section}:")
        for field in sorted(dataclasses.fields(cls), key=lambda f: f.name):
            if field.init:
                lines.append(f"  {field.name}: {yaml_types(str(field.type))}")
    return "\n".join(lines) + "\n"


def yaml_types(annotation: str) -> str:
    """The types that a YAML may give, as `int | None`; `str` for an annotation of none of KINDS."""
    kinds = [kind for kind, pattern in KINDS.items() if re.search(pattern, annotation)]
    return " | ".join(kinds) or "str"


if __name__ == "__main__":
    print(fields_text(), end="")
