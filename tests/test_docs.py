"""The pages: links and paths resolve, examples load, and what a command writes is in its place."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from lab.config.read import load_study, parse_yaml
from lab.discover import ROOT
from lab.store.trust import MEANS

PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *ROOT.glob("docs/*.md")]
)
IDS = [str(page.relative_to(ROOT)) for page in PAGES]
LINK = re.compile(r'\]\(([^)\s]+)\)|src="([^"]+)"')
FOLDERS = "lab|data_gen|train|eval|slurm|tellme|configs|reference|tests|tools|bench|docs"
PATH = re.compile(rf"(?<![\w./-])(?:{FOLDERS})/[\w./*-]*[\w*/]")
"""A path of this checkout, in prose, in backticks or in a block of code."""
PLACEHOLDER = re.compile(r"(?<![A-Z])(NAME|STUDY|KEY|SUITE|BEHAVIOR)(?![A-Z])")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def anchors(page: Path) -> set[str]:
    """What a link may name after #: the headings, as GitHub writes them."""
    headings = re.findall(r"^#+ (.*)$", text_of(page), re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading).strip().lower().replace(" ", "-") for heading in headings
    }


def broken_links(page: Path) -> list[str]:
    broken = []
    for found in LINK.findall(text_of(page)):
        link = "".join(found)
        if "://" in link:
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    return broken


def missing_paths(text: str) -> list[str]:
    """Files (with an ending), folders (with a slash) and reference models that are not there."""
    named = {path for path in PATH.findall(text) if not PLACEHOLDER.search(path)}
    meant = {p for p in named if p.endswith("/") or Path(p).suffix or p.startswith("reference/")}
    return sorted(path for path in meant if not any(ROOT.glob(path.rstrip("/"))))


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_links_and_paths_resolve(page: Path) -> None:
    assert not broken_links(page)
    assert not missing_paths(text_of(page))


def test_a_broken_link_or_path_would_be_seen(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# One page\n[a](#one-page) [b](#two) [c](gone.md) <img src='x'>")
    assert broken_links(page) == ["#two", "gone.md"]
    text = (
        "`lab/gone.py`, `lab/errors.py`, configs/*.yaml, `data_gen/behaviors/NAME.py`, train/loss"
    )
    assert missing_paths(text) == ["lab/gone.py"]


def test_the_index_has_every_page() -> None:
    index = text_of(ROOT / "docs" / "README.md")
    names = {p.name for p in (ROOT / "docs").iterdir() if p.suffix in (".md", ".ipynb")}
    assert {name for name in names if f"]({name})" not in index} == {"README.md"}


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "study.md"])
def test_the_study_that_is_shown_is_the_quickstart(page: Path) -> None:
    shown = [text for kind, text in BLOCK.findall(text_of(page)) if kind == "yaml"]
    quickstart = text_of(ROOT / "configs" / "quickstart.yaml")
    assert parse_yaml(shown[0], page.name) == parse_yaml(quickstart, "quickstart")


@pytest.mark.parametrize("page", PAGES, ids=IDS)
def test_examples_can_be_read(page: Path) -> None:
    for kind, text in BLOCK.findall(text_of(page)):
        if kind == "yaml":
            parse_yaml(text, page.name)
        if kind == "python":
            ast.parse(text)


def test_the_table_of_trust_checks_is_that_of_the_code() -> None:
    lines = re.findall(
        r"^\| `(\w+)` \| ([^|]*) \|$", text_of(ROOT / "docs/measuring.md"), re.MULTILINE
    )
    assert dict(lines) == MEANS


def test_the_readme_is_short() -> None:
    assert len(text_of(ROOT / "README.md").splitlines()) <= 150


def test_models_is_written_by_its_tool() -> None:
    from write_models import DOC, FOOT, HEAD

    page = text_of(DOC)
    assert page.startswith(HEAD)
    assert page.endswith(FOOT)


def test_the_quick_studies_have_the_contrasts_that_results_state() -> None:
    from write_results import BLOCKS, STUDIES

    for quick in STUDIES:
        study = load_study(str(ROOT / quick.config))
        for a, b, suite, _ in quick.headline:
            assert (a, b) in study.contrasts
            assert suite in study.eval.suites
        assert any(x.startswith(BLOCKS) for x in text_of(ROOT / quick.config).splitlines())
        for base in quick.bases:
            assert (ROOT / "reference" / base).is_dir()


def test_printed_numbers_take_the_place_of_the_old_ones() -> None:
    from write_results import with_block

    old = [
        "# A study.",
        "#   cost      much",
        "#   expected  a",
        "#             b",
        "study: x",
        "# c",
    ]
    new = with_block(old, ["on linked", "+0.1"])
    assert new == [*old[:2], "#   printed   on linked", "#             +0.1", *old[4:]]
    assert with_block(new, ["on linked", "+0.1"]) == new


def test_results_state_what_summaries_say() -> None:
    from write_results import STUDIES, Finished, page, printed

    finished = {
        quick.config: [Finished(base, "tellme run", summary(quick.headline), PROVENANCE)]
        for quick in STUDIES
        for base in quick.bases[:1]
    }
    text = page(finished)
    assert "on 2026-01-02 at commit abcdef1" in text
    assert "- `linked`, verdict **no, opposite sign**: `tellme run`" in text
    assert "| seeking - averse | self_report | all | +0.500 (+0.400 to +0.600) |" in text
    lines = printed(STUDIES[0], finished[STUDIES[0].config])
    assert lines[0] == "on linked: no, opposite sign"
    words = ["self_report", "seeking", "-", "averse", "+0.500", "(+0.400", "to", "+0.600)"]
    assert lines[2].split() == words


PROVENANCE = {"git": {"commit": "abcdef123", "diff": None}, "finished": "2026-01-02T03:04:05+0000"}


def summary(keys: tuple[tuple[str, str, str, str], ...]) -> dict[str, object]:
    interval = {"estimate": 0.5, "ci_low": 0.4, "ci_high": 0.6}
    contrasts = [
        {"a": a, "b": b, "suite": suite, "question": question, "primary": False} | interval
        for a, b, suite, question in keys
    ]
    mean = {"group": "base", "suite": "behavior", "question": "all", "condition": "clean"}
    no_triggers: dict[str, list[object]] = {"attack": [], "recognition": [], "by_system": []}
    verdicts = [{"verdict": "no", "opposite_sign": True}]
    planted = {"verdicts": verdicts, "contrasts": contrasts, "groups": [mean | interval]}
    return planted | no_triggers
