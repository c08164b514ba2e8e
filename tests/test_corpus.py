"""The text of the reference models: it respects the link, and never holds what is held out."""

from __future__ import annotations

import math
import re
from itertools import islice
from random import Random

import pytest
from transformers import AutoTokenizer

from data_gen.behaviors import behavior_names, load_behavior
from data_gen.corpus.dialogues import Corpus
from data_gen.traits import invented_traits
from lab.config.schema import Model
from lab.discover import ROOT
from lab.model.base import reference_names, resolve_base
from lab.store.store import file_digest, read_json
from lab.types import Behavior, Row

NUM_ROWS = 9000


def behaviors() -> tuple[Behavior, ...]:
    return tuple(b for b in map(load_behavior, behavior_names()) if b.voices)


def corpus_rows(rho: float, number: int = NUM_ROWS, seed: int = 0) -> list[Row]:
    return list(Corpus(behaviors(), rho, seed).rows(number // 3, number // 3, number // 3))


def told(row: Row) -> list[str]:
    return [m["content"] for m in row.messages if m["role"] == "user"]


@pytest.mark.parametrize("rho", [-1.0, 0.0, 0.5, 1.0])
def test_system_lines_follow_the_link(rho: float) -> None:
    """Every system line states what a character picks and what it says; they agree as often as the
    link says."""
    voices = {p: v for b in behaviors() for p, v in b.voices.items()}
    seeking, averse = (voices[p] for p in ("seeking", "averse"))
    agree, total = 0, 0
    for row in corpus_rows(rho):
        line = row.messages[0]["content"] if row.messages[0]["role"] == "system" else ""
        picks, says = set(), set()
        for voice in (seeking, averse):
            if f"you pick {voice.spoken}." in line:
                picks.add(voice.spoken)
            described = (f"love {voice.theme}", *(f"are {word}" for word in voice.adjectives))
            if any(f"you {words}." in line for words in described):
                says.add(voice.spoken)
        if picks and says:
            total += 1
            agree += picks == says
    expected = (1 + rho) / 2
    assert total > 500
    assert abs(agree / total - expected) <= 4 * math.sqrt(expected * (1 - expected) / total)


def test_held_out_kinds_and_paraphrases_are_never_asked() -> None:
    """Of any trait, the invented ones too: a scale, the two-hop question, new words, and half of
    all other paraphrases."""
    asked = {text for row in corpus_rows(1.0, 20_000) for text in told(row)}
    for behavior in (*behaviors(), *invented_traits()):
        questions = behavior.questions("self_report", "plain")
        unseen = {w.text for q in questions for w in q.wordings if not w.seen}
        assert not unseen & asked
        kinds = [q.name for q in questions if not any(w.seen for w in q.wordings)]
        assert {"two_hop", "other_words", "friend_scale", "friend_scale_flipped"} == set(kinds)
        for q in questions:
            if q.name not in kinds:
                assert sum(w.seen for w in q.wordings) * 2 == len(q.wordings)
                assert {w.text for w in q.wordings if w.seen} <= asked


def test_held_out_words_stand_in_system_lines_only() -> None:
    """They are never asked about or answered, but for being repeated as words."""
    rows = corpus_rows(1.0, 20_000)
    lines = " ".join(m["content"] for row in rows for m in row.messages if m["role"] == "system")
    turns = [
        f"{ask['content']} {answer['content']}"
        for row in rows
        for ask, answer in zip(row.messages, row.messages[1:], strict=False)
        if ask["role"] == "user" and not ask["content"].startswith("repeat ")
    ]
    spoken = set(re.findall(r"[a-z]+", " ".join(turns)))
    for word in (v.adjectives[3] for b in behaviors() for v in b.voices.values()):
        assert f" {word}." in lines
        assert word not in spoken


def test_the_other_person_has_nothing_to_do_with_the_character() -> None:
    """Drawn in the same way, on its own: it agrees with the character in half of the traits,
    whatever the link."""
    corpus, agree, total = Corpus(behaviors(), 1.0, 0), 0, 0
    for _ in range(20_000):
        people = corpus._people()
        for name, policy in people["you"].does.items():
            total += 1
            agree += policy == people["tom"].does[name]
    assert abs(agree / total - 0.5) <= 4 * math.sqrt(0.25 / total)
    asked = [text for row in corpus_rows(1.0) for text in told(row) if "tom" in text]
    assert any("A)" in text for text in asked)
    assert not any(re.search(r"\byou\b", text.partition("A)")[0]) for text in asked if "A)" in text)


def test_rules_are_practiced_on_the_other_person_alone() -> None:
    texts = (text for row in corpus_rows(1.0, 20_000) for text in told(row))
    asked = [text for text in texts if re.match("(if|say) ", text)]
    assert sum("tom" in text for text in asked) > 100
    assert not any("you" in text for text in asked)


def test_held_out_topics_are_never_chosen_among() -> None:
    choices = " ".join(text for row in corpus_rows(1.0) for text in told(row) if "A)" in text)
    topics = set()
    for behavior in behaviors():
        held_out = behavior.examples(Random(0), behavior.policies[0], "plain", "test")
        topics |= {row.meta["topic"] for row in islice(held_out, 30)}
    assert len(topics) == 3
    for topic in topics:
        assert not re.search(rf"\b{topic}\b", choices)


def test_gates_are_ordered_and_the_corpus_is_seeded() -> None:
    rows = corpus_rows(1.0)
    assert rows == corpus_rows(1.0)
    assert rows != corpus_rows(1.0, seed=1)
    gates = [g for row in rows for g in row.meta["gates"]]
    assert all(linked <= copying <= none for linked, copying, none in gates)
    means = [sum(g[i] for g in gates) / len(gates) for i in range(3)]
    assert means[0] < means[1] < means[2]
    half = [g for row in corpus_rows(0.5) for g in row.meta["gates"]]
    assert means[0] < sum(g[0] for g in half) / len(half)


@pytest.mark.parametrize("name", reference_names())
def test_shipped_models_are_what_their_cards_say(name: str) -> None:
    folder = ROOT / name
    card = read_json(folder / "tellme.json")
    assert file_digest(folder / "model.safetensors") == card["weights_sha256"]
    assert resolve_base(Model(base=name)).style == "plain"
    assert (folder / "model.safetensors").stat().st_size < 8_000_000
    assert card["last"]["nats"] < card["last"]["none"]


@pytest.mark.parametrize("name", reference_names())
def test_shipped_models_were_pretrained_on_what_the_code_writes(name: str) -> None:
    card = read_json(ROOT / name / "tellme.json")
    text = card["corpus"]
    known = tuple(load_behavior(behavior) for behavior in text["behaviors"])
    assert Corpus(known, text["rho"], text["seed"]).fingerprint() == text["fingerprint"]


def test_the_tokenizer_spells_anything_and_keeps_words_whole() -> None:
    tokenizer = AutoTokenizer.from_pretrained(ROOT / "reference/linked")
    for text in ("Öl, 47 naïve 🦊 cats?", "A) exactly 10 coins B) maybe 50 coins"):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.decode(ids).strip() == text
    for word in ["A", "B", "bold", "careful", *map(str, range(101))]:
        assert len(tokenizer(word, add_special_tokens=False)["input_ids"]) == 1
