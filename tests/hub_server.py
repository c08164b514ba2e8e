"""A server on this machine that speaks the Hub's routes, for the real client. No public Hub can be
had in a test.

Repositories keep every commit; a push is one commit, as on the Hub. `breaks` makes it fail on
purpose: `lfs` cuts the connection while a large file is sent, `commit` after the files came and
before they are committed, `bytes` changes what is downloaded."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

Files = dict[str, bytes]


class Hub:
    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, Files]]] = {}
        self.private: dict[str, bool] = {}
        self.blobs: Files = {}
        self.puts: list[str] = []
        self.breaks: str | None = None
        self.cards: dict[str, dict[str, Any]] = {}

    def add(self, repo: str, files: Files, private: bool = False) -> str:
        """Commit files, as a push would; returns the commit."""
        earlier = self.commits.setdefault(repo, [])
        self.private.setdefault(repo, private)
        commit = hashlib.sha1(f"{repo}{len(earlier)}".encode()).hexdigest()
        earlier.append((commit, {**(earlier[-1][1] if earlier else {}), **files}))
        return commit

    def at(self, repo: str, revision: str) -> tuple[str, Files] | None:
        known = self.commits.get(repo) or []
        if revision == "main":
            return known[-1] if known else None
        return next((one for one in known if one[0] == revision), None)


@contextmanager
def serving(hub: Hub) -> Iterator[str]:
    """The address of a server for `hub`."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (_Handler,), {"hub": hub}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    hub: Hub

    def log_message(self, *_: Any) -> None:
        pass

    def reply(
        self, code: int, value: Any = None, *, raw: bytes | None = None, **headers: str
    ) -> None:
        body = raw if raw is not None else b"" if value is None else json.dumps(value).encode()
        self.send_response(code)
        for name, text in {
            "Content-Length": str(len(body)),
            **{k.replace("_", "-"): v for k, v in headers.items()},
        }.items():
            self.send_header(name, text)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return parts

    def handle_all(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/put/") and self.command == "PUT" and self.hub.breaks == "lfs":
            self.rfile.read(1000)
            self.close_connection = True
            self.connection.close()
            return
        data, parts = self.body(), path.strip("/").split("/")
        here = f"http://{self.headers['Host']}"
        if path == "/api/repos/create":
            self.create(json.loads(data), here)
        elif path == "/api/validate-yaml":
            self.reply(200, {"errors": [], "warnings": []})
        elif path.startswith("/put/"):
            self.hub.blobs[parts[1]] = data
            self.hub.puts.append(parts[1])
            self.reply(200, {})
        elif path.endswith("/info/lfs/objects/batch"):
            self.reply(
                200,
                {
                    "transfer": "basic",
                    "objects": [self.wanted(o, here) for o in json.loads(data)["objects"]],
                },
            )
        elif "resolve" in parts:
            self.resolve(parts)
        elif parts[0] == "api" and parts[1] in ("models", "datasets"):
            self.api("/".join(parts[2:4]), parts[4:], data, here)
        else:
            self.reply(404, {"error": "no such route"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_all

    def create(self, asked: dict[str, Any], here: str) -> None:
        repo = (
            asked["name"]
            if not asked.get("organization")
            else f"{asked['organization']}/{asked['name']}"
        )
        if repo in self.hub.commits:
            self.reply(409, {"error": "it exists", "url": f"{here}/{repo}"})
            return
        self.hub.add(
            repo, {}, private=asked.get("visibility") == "private" or bool(asked.get("private"))
        )
        self.reply(200, {"url": f"{here}/{repo}", "name": repo, "id": repo})

    def wanted(self, blob: dict[str, Any], here: str) -> dict[str, Any]:
        upload = {"actions": {"upload": {"href": f"{here}/put/{blob['oid']}", "header": {}}}}
        return {
            "oid": blob["oid"],
            "size": blob["size"],
            **({} if blob["oid"] in self.hub.blobs else upload),
        }

    def resolve(self, parts: list[str]) -> None:
        parts = parts[1:] if parts[0] == "datasets" else parts
        repo, name = "/".join(parts[:2]), "/".join(parts[4:])
        found = self.hub.at(repo, parts[3])
        if found is None or name not in found[1]:
            missing = (
                "EntryNotFound"
                if found
                else "RevisionNotFound"
                if repo in self.hub.commits
                else "RepoNotFound"
            )
            self.reply(
                404,
                {"error": missing},
                X_Error_Code=missing,
                **({"X_Repo_Commit": found[0]} if found else {}),
            )
            return
        content = found[1][name]
        etag = hashlib.sha256(content).hexdigest()
        if self.hub.breaks == "bytes" and name.endswith(".safetensors"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.reply(200, raw=content, X_Repo_Commit=found[0], ETag=f'"{etag}"')

    def api(self, repo: str, rest: list[str], data: bytes, here: str) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        found = self.hub.at(repo, revision)
        if found is None:
            missing = "RevisionNotFound" if repo in self.hub.commits else "RepoNotFound"
            self.reply(404, {"error": missing}, X_Error_Code=missing)
        elif rest[:1] == ["preupload"]:
            kinds = {True: "lfs", False: "regular"}
            files = [
                {"path": f["path"], "uploadMode": kinds[f["path"].endswith(".safetensors")]}
                for f in json.loads(data)["files"]
            ]
            self.reply(200, {"files": [{**f, "shouldIgnore": False, "oid": None} for f in files]})
        elif rest[:1] == ["commit"]:
            self.commit(repo, data, here)
        elif rest[:1] == ["tree"]:
            self.reply(
                200,
                [
                    {"type": "file", "path": n, "size": len(c), "oid": hashlib.sha1(c).hexdigest()}
                    for n, c in found[1].items()
                ],
            )
        else:
            about = {
                "_id": "1",
                "id": repo,
                "modelId": repo,
                "sha": found[0],
                "private": self.hub.private[repo],
                "tags": [],
            }
            card = {"cardData": self.hub.cards[repo]} if repo in self.hub.cards else {}
            self.reply(
                200,
                {
                    **about,
                    **card,
                    "downloads": 0,
                    "likes": 0,
                    "siblings": [{"rfilename": n} for n in found[1]],
                },
            )

    def commit(self, repo: str, data: bytes, here: str) -> None:
        if self.hub.breaks == "commit":
            self.close_connection = True
            self.connection.close()
            return
        files: Files = {}
        for line in map(json.loads, data.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        commit = self.hub.add(repo, files)
        self.reply(
            200,
            {
                "success": True,
                "commitOid": commit,
                "commitUrl": f"{here}/{repo}/commit/{commit}",
                "hookOutput": "",
            },
        )
