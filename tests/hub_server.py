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
from urllib.parse import parse_qs, unquote, urlsplit

Files = dict[str, bytes]


class Hub:
    def __init__(self) -> None:
        self.commits: dict[str, list[tuple[str, Files]]] = {}
        """By repository: every commit with all its files."""
        self.private: dict[str, bool] = {}
        self.blobs: Files = {}
        """Large files by their sha256, committed or not."""
        self.puts: list[str] = []
        """Large files that were sent, in order."""
        self.breaks: str | None = None

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
        return next((commit for commit in known if commit[0] == revision), None)


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
        body = b"" if value is None else json.dumps(value).encode()
        body = body if raw is None else raw
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        for name, text in headers.items():
            self.send_header(name.replace("_", "-"), text)
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

    def hang_up(self) -> None:
        self.close_connection = True
        self.connection.close()

    @property
    def address(self) -> str:
        return f"http://{self.headers['Host']}"

    def handle_all(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if path.startswith("/put/") and self.command == "PUT" and self.hub.breaks == "lfs":
            self.rfile.read(1000)
            self.hang_up()
            return
        data, parts = self.body(), path.strip("/").split("/")
        if path == "/api/repos/create":
            self.create(json.loads(data))
        elif path == "/api/validate-yaml":
            self.reply(200, {"errors": [], "warnings": []})
        elif path.startswith("/put/"):
            self.hub.blobs[parts[1]] = data
            self.hub.puts.append(parts[1])
            self.reply(200, {})
        elif path.endswith("/info/lfs/objects/batch"):
            objects = [self.wanted(blob) for blob in json.loads(data)["objects"]]
            self.reply(200, {"transfer": "basic", "objects": objects})
        elif "resolve" in parts:
            self.resolve(parts)
        elif parts[0] == "api" and parts[1] in ("models", "datasets"):
            self.api("/".join(parts[2:4]), parts[4:], data)
        else:
            self.reply(404, {"error": "no such route"})

    do_GET = do_HEAD = do_POST = do_PUT = handle_all

    def create(self, asked: dict[str, Any]) -> None:
        owner = asked.get("organization")
        repo = f"{owner}/{asked['name']}" if owner else asked["name"]
        url = f"{self.address}/{repo}"
        if repo in self.hub.commits:
            self.reply(409, {"error": "it exists", "url": url})
            return
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.add(repo, {}, private=private)
        self.reply(200, {"url": url, "name": repo, "id": repo})

    def wanted(self, blob: dict[str, Any]) -> dict[str, Any]:
        """A large file with where to send it, if it is not there yet."""
        answer = {"oid": blob["oid"], "size": blob["size"]}
        if blob["oid"] in self.hub.blobs:
            return answer
        upload = {"href": f"{self.address}/put/{blob['oid']}", "header": {}}
        return answer | {"actions": {"upload": upload}}

    def missing(self, what: str, **headers: str) -> None:
        self.reply(404, {"error": what}, X_Error_Code=what, **headers)

    def resolve(self, parts: list[str]) -> None:
        """A file of a repository at a revision."""
        parts = parts[1:] if parts[0] == "datasets" else parts
        repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        snapshot = self.hub.at(repo, revision)
        if snapshot is None:
            self.missing("RevisionNotFound" if repo in self.hub.commits else "RepoNotFound")
            return
        commit, files = snapshot
        if name not in files:
            self.missing("EntryNotFound", X_Repo_Commit=commit)
            return
        content = files[name]
        etag = hashlib.sha256(content).hexdigest()
        if self.hub.breaks == "bytes" and name.endswith(".safetensors"):
            content = content[:-1] + bytes([content[-1] ^ 1])
        self.reply(200, raw=content, X_Repo_Commit=commit, ETag=f'"{etag}"')

    def api(self, repo: str, rest: list[str], data: bytes) -> None:
        revision = rest[1] if len(rest) > 1 else "main"
        snapshot = self.hub.at(repo, revision)
        if snapshot is None:
            self.missing("RevisionNotFound" if repo in self.hub.commits else "RepoNotFound")
        elif rest[:1] == ["preupload"]:
            self.preupload(json.loads(data)["files"])
        elif rest[:1] == ["commit"]:
            self.commit(repo, data)
        elif rest[:1] == ["tree"]:
            self.tree(snapshot[1])
        elif rest[:1] == ["paths-info"]:
            asked = parse_qs(data.decode())["paths"]
            self.tree({name: text for name, text in snapshot[1].items() if name in asked})
        else:
            self.info(repo, *snapshot)

    def preupload(self, files: list[dict[str, Any]]) -> None:
        """Which files are large."""
        modes = []
        for file in files:
            mode = "lfs" if file["path"].endswith(".safetensors") else "regular"
            answer = {"path": file["path"], "uploadMode": mode, "shouldIgnore": False, "oid": None}
            modes.append(answer)
        self.reply(200, {"files": modes})

    def tree(self, files: Files) -> None:
        entries = [
            {
                "type": "file",
                "path": name,
                "size": len(content),
                "oid": hashlib.sha1(content).hexdigest(),
            }
            for name, content in files.items()
        ]
        self.reply(200, entries)

    def info(self, repo: str, commit: str, files: Files) -> None:
        model: dict[str, Any] = {
            "_id": "1",
            "id": repo,
            "modelId": repo,
            "sha": commit,
            "private": self.hub.private[repo],
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "siblings": [{"rfilename": name} for name in files],
        }
        self.reply(200, model)

    def commit(self, repo: str, data: bytes) -> None:
        if self.hub.breaks == "commit":
            self.hang_up()
            return
        files: Files = {}
        for line in map(json.loads, data.splitlines()):
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.blobs[value["oid"]]
        commit = self.hub.add(repo, files)
        answer = {
            "success": True,
            "commitOid": commit,
            "commitUrl": f"{self.address}/{repo}/commit/{commit}",
            "hookOutput": "",
        }
        self.reply(200, answer)
