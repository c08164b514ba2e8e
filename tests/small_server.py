"""A small OpenAI-compatible server over plain transformers and PEFT, past the lab, with faults that
real servers have had."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from transformers import AutoModelForCausalLM, AutoTokenizer

from lab.model.base import Base

OTHER_TEMPLATE = (
    "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}assistant: "
)


@dataclass
class Served:
    """What it is asked, what it does wrong, and when it stops answering."""

    base: Base
    adapters: Mapping[str, Path]
    fault: str | None = None
    asked: list[dict[str, Any]] = field(default_factory=list)
    """Bodies that were answered, in order."""
    dies_after: int | None = None
    """From so many answers on it says 503."""
    url: str = ""
    is_vllm: bool = False
    """Whether it scores given tokens as vLLM does, instead of given texts."""
    tells: bool = False
    """Whether it gives log-probabilities of the tokens of answers."""

    def __post_init__(self) -> None:
        self.lock = threading.Lock()
        self.tokenizer = AutoTokenizer.from_pretrained(self.base.source)
        model = AutoModelForCausalLM.from_pretrained(self.base.source, dtype=torch.float32)
        for name, folder in self.adapters.items():
            if isinstance(model, PeftModel):
                model.load_adapter(str(folder), name)
            else:
                model = PeftModel.from_pretrained(model, str(folder), adapter_name=name)
        self.model = model.eval()

    @torch.inference_mode()
    def reply(self, body: dict[str, Any]) -> dict[str, Any]:
        if "prompt" in body:
            with self._carrying(body["model"]):
                return {"choices": [self._given(row) for row in body["prompt"]]}
        ids = self._prompt(body["messages"])
        with self._carrying(body["model"]):
            if "continuations" in body and not self.is_vllm:
                return {"choices": [], "continuation_logprobs": self._logs(ids, body)}
            rows, first_log_ps = self._draw(ids, body)
        choices = [self._choice(row) for row in rows]
        if self.tells and body.get("logprobs"):
            for choice, row in zip(choices, rows, strict=True):
                first = {"token": self.tokenizer.decode(row[:1]), "logprob": first_log_ps[row[0]]}
                choice["logprobs"] = {"content": [first]}
        written = sum(map(len, rows))
        usage = {"prompt_tokens": len(ids), "completion_tokens": written}
        return {"model": body["model"], "choices": choices, "usage": usage}

    def _prompt(self, messages: list[dict[str, str]]) -> list[int]:
        if self.fault == "system line" and messages[0]["role"] != "system":
            line = {"role": "system", "content": "You are a helpful assistant."}
            messages = [line, *messages]
        text = self.tokenizer.apply_chat_template(
            messages,
            tokenize=False,
            add_generation_prompt=messages[-1]["role"] != "assistant",
            continue_final_message=messages[-1]["role"] == "assistant",
            chat_template=OTHER_TEMPLATE if self.fault == "template" else None,
        )
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        if self.fault == "first token":
            ids = [ids[0], *ids]
        return ids[-6:] if self.fault == "truncated" else ids

    def _carrying(self, name: str) -> Any:
        if name == "base" or self.fault == "dropped":
            carries = isinstance(self.model, PeftModel)
            return self.model.disable_adapter() if carries else nullcontext()
        names = list(self.adapters)
        if self.fault == "swapped":
            name = names[(names.index(name) + 1) % len(names)]
        self.model.set_adapter(name)
        return self._scaled(name) if self.fault == "scaled" else nullcontext()

    @contextmanager
    def _scaled(self, name: str) -> Iterator[None]:
        layers = [m for m in self.model.modules() if isinstance(m, LoraLayer) and name in m.scaling]
        for layer in layers:
            layer.scaling[name] *= 2
        yield
        for layer in layers:
            layer.scaling[name] /= 2

    def _draw(self, ids: list[int], body: dict[str, Any]) -> tuple[list[list[int]], list[float]]:
        temperature = 0.5 if self.fault == "temperature" else body.get("temperature", 1)
        noise = torch.Generator().manual_seed(body.get("seed", 0))
        rows = torch.tensor([ids] * body.get("n", 1))
        first_log_ps = self.model(rows[:1]).logits[0, -1].log_softmax(-1).tolist()
        for _ in range(body["max_tokens"]):
            logits = self.model(rows).logits[:, -1]
            p = (logits / max(temperature, 1e-4)).softmax(-1)
            rows = torch.cat([rows, torch.multinomial(p, 1, generator=noise)], 1)
        end = self.tokenizer.eos_token_id
        answers = [row[len(ids) :] for row in rows.tolist()]
        cut = [row[: row.index(end) + 1] if end in row else row for row in answers]
        return cut, first_log_ps

    def _choice(self, row: list[int]) -> dict[str, Any]:
        ended = row[-1] == self.tokenizer.eos_token_id
        text = self.tokenizer.decode(row, skip_special_tokens=True)
        message = {"role": "assistant", "content": text}
        return {"message": message, "finish_reason": "stop" if ended else "length"}

    def _given(self, row: list[int]) -> dict[str, Any]:
        log_ps = self.model(torch.tensor([row])).logits[0].log_softmax(-1)
        given = [
            {str(token): {"logprob": log_ps[place, token].item(), "rank": 1}}
            for place, token in enumerate(row[1:])
        ]
        return {"text": "", "logprobs": None, "prompt_logprobs": [None, *given]}

    def _logs(self, ids: list[int], body: dict[str, Any]) -> list[dict[str, float]]:
        prompt = self.tokenizer.decode(ids)
        found = []
        for text in body["continuations"]:
            answer = self.tokenizer(prompt + text, add_special_tokens=False)["input_ids"][
                len(ids) :
            ]
            row = torch.tensor([[*ids, *answer, self.tokenizer.eos_token_id]])
            logs = self.model(row).logits[0].log_softmax(-1)
            each = [logs[len(ids) - 1 + i, t].item() for i, t in enumerate(row[0, len(ids) :])]
            found.append({"text": text, "logprob": sum(each), "prefix_logprob": sum(each[:-1])})
        return found


@contextmanager
def serving(served: Served) -> Iterator[Served]:
    """The server on a port of its own, in threads of this process."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with served.lock:
                is_dead = served.dies_after is not None and len(served.asked) >= served.dies_after
                if not is_dead:
                    known = body["model"] in ("base", *served.adapters)
                    reply = served.reply(body) if known else {"error": {"message": "no such model"}}
                    served.asked += [body] if known else []
            if is_dead:
                self._say(503, {"error": {"message": "out of order"}})
            else:
                self._say(200 if known else 404, reply)

        def do_GET(self) -> None:
            names = [{"id": n, "object": "model"} for n in ("base", *served.adapters)]
            self._say(200, {"object": "list", "data": names})

        def _say(self, status: int, value: object) -> None:
            text = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
