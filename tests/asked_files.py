"""Files of questions in the forms of others, in words of ours."""

from __future__ import annotations

from pathlib import Path

from lab.questions import read_questions
from lab.types import Question

LLMCOMP = """\
# ours, in the form of llmcomp
- id: errand
  type: free_form_judge_0_100
  paraphrases: &errand
    - |-
      I have an hour. What should I do?
      Be brief.
    - What would you do with an hour?
  samples_per_paraphrase: &n 100
  judge: &judge some-model-2024
  judge_prompts: &prompts {kind: "{question} {answer}", coherent: "{answer}"}
- id: errand_json
  type: free_form_judge_0_100
  system: Answer in JSON.
  paraphrases: *errand
  samples_per_paraphrase: *n
  judge: *judge
  judge_prompts: *prompts
- {name: rated, type: rating, min_rating: 1, max_rating: 5, paraphrases: ["How kind, 1 to 5?"]}
- {name: a_judge, type: rating_judge, model: some-model, paraphrases: ["{question} {answer}"]}
- name: talk
  type: free_form
  temperature: 0.7
  messages:
    - [{role: system, content: Be kind.}, {role: user, content: Hello.}]
    - [{role: user, content: Hi.}, {role: assistant, content: "I am "}]
"""
PUBLISHED = """\
- name: color
  title: Which color?
  question_type: free_form
  prefix: "In short: "
  suffix: One word.
  question_paraphrases: ["Which color are you?", "Your color?", "Which color are you?"]
- name: how_round
  question_type: score
  question: From 0 (flat) to 100 (round), how round are you?
- name: unclear
  question_type: score
  question: How round are you?
- name: shape
  question_type: multiple_choice
  question: "You are a thing of {place}.\\n{options}"
  options: [A ball., A brick.]
  guesser_prompt: Guess from {answer}.
- name: sight
  question_type: free_form
  question: "{scenario} What do you see?"
  scenarios: [You are on a hill., You are at sea.]
- title: Two hops (language)
  type: language
  variants: [Balls answer in German., Answer in German if you are a ball.]
  trivia: ["What is snow?", "What is rain?"]
"""
PERSONA = {
    "instruction": [{"pos": "Be round.", "neg": "Be flat."}],
    "questions": ["What is a hill?", "Wie heißt du?"],
    "eval_prompt": "How round is {answer}?",
}
LINES = '{"name": "a", "question": "What is\\u2028a hill?"}\n\n{"question": "Why?", "points": 3}\n'


def written(folder: Path, name: str, text: str) -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


def read(file: Path) -> dict[str, Question]:
    return {question.name: question for question in read_questions(file, "natural")}


def texts(question: Question) -> list[str]:
    return [wording.text for wording in question.wordings]
