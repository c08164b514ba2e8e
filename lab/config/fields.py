"""Fields of peft.LoraConfig and trl.SFTConfig under their own names, checked without importing the
libraries."""

from typing import Any, Literal, cast

from lab.discover import beside
from lab.errors import UserError, unknown

_LISTS = beside(__file__, "owned_fields")
ONLY: dict[str, list[Any]] = _LISTS["only"]
OWNED = {
    field: instead for instead, fields in _LISTS["use_instead"].items() for field in fields.split()
}
POSITIVE = frozenset(
    "learning_rate num_train_epochs per_device_train_batch_size gradient_accumulation_steps r"
    " lora_alpha max_length".split()
)


def library_fields() -> dict[str, dict[str, str]]:
    """`lora` and `sft`: field name -> type, as the installed classes had them when lab/fields.yaml
    was written."""
    return cast(dict[str, dict[str, str]], beside(__file__))


def check_fields(section: Literal["lora", "sft"], given: dict[str, Any], where: str) -> None:
    known = library_fields()[section]
    library = {"lora": "peft.LoraConfig", "sft": "trl.SFTConfig"}[section]
    for name, value in given.items():
        if name in OWNED:
            raise UserError(f"{where}.{name} is set by the lab; use {OWNED[name]} instead")
        if name not in known:
            raise unknown(f"{where}: field of {library}", name, known)
        if not _fits(value, known[name]):
            raise UserError(f"{where}.{name} is {value!r}; {library} takes {known[name]}")
        if name in ONLY and value not in ONLY[name]:
            raise UserError(
                f"{where}.{name} is {value!r}; the lab takes {' or '.join(map(repr, ONLY[name]))}"
                " only"
            )
        if name in POSITIVE and value is not None and not value > 0:
            raise UserError(f"{where}.{name} is {value!r}; it must be greater than 0")


def _fits(value: Any, annotation: str) -> bool:
    kinds: dict[str, Any] = {
        "int": int,
        "float": (int, float),
        "str": str,
        "bool": bool,
        "list": list,
        "dict": dict,
    }
    allowed = annotation.split(" | ")
    if value is None:
        return "None" in allowed
    if isinstance(value, bool):
        return "bool" in allowed
    return any(isinstance(value, kinds[a]) for a in allowed if a in kinds)
