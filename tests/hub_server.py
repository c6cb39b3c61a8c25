"""A stand-in for the Hugging Face Hub: the few routes that pushing and pulling ask for, files kept in memory."""

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
_API = re.compile(r"/api/models/(?P<repo>[^/]+/[^/]+)/(?P<action>preupload|commit)/(?P<revision>[^/]+)")


@dataclass
class HubServer:
    """Attributes: repositories: name -> revision (a commit, or "main" for the newest) -> path -> content."""

    repositories: dict[str, dict[str, dict[str, bytes]]] = field(default_factory=dict)
    private: set[str] = field(default_factory=set)
    writable: bool = True

    def __enter__(self) -> "HubServer":
        handler = type("Handler", (_Handler,), {"hub": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def commit(self, repo: str, files: dict[str, bytes]) -> str:
        revisions = self.repositories[repo]
        name = hashlib.sha1(f"{repo} {len(revisions)}".encode()).hexdigest()
        revisions[name] = revisions["main"] = revisions.get("main", {}) | files
        return name


class _Handler(BaseHTTPRequestHandler):
    hub: HubServer

    def log_message(self, *ignored: object) -> None:
        """Print nothing."""

    def _answer(self, status: int, value: object = None, **headers: str) -> None:
        content = value if isinstance(value, bytes) else json.dumps(value).encode()
        self.send_response(status)
        for header, text in headers.items():
            self.send_header(header.replace("_", "-"), text)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/api/validate-yaml":
            return self._answer(200, {"errors": [], "warnings": []})
        if not self.hub.writable or not self.headers.get("Authorization"):
            return self._answer(401, {"error": "Invalid username or password."})
        if self.path == "/api/repos/create":
            asked = json.loads(body)
            repo = f"{asked['organization']}/{asked['name']}"
            if repo in self.hub.repositories:
                return self._answer(409, {"error": "exists", "url": f"{self.hub.url}/{repo}"})
            self.hub.repositories[repo] = {}
            if asked.get("private") or asked.get("visibility") == "private":
                self.hub.private.add(repo)
            return self._answer(200, {"url": f"{self.hub.url}/{repo}"})
        match = _API.fullmatch(self.path.partition("?")[0])
        assert match, self.path
        if match["action"] == "preupload":
            names = [file["path"] for file in json.loads(body)["files"]]
            modes = [{"path": name, "uploadMode": "regular", "shouldIgnore": False} for name in names]
            return self._answer(200, {"files": modes})
        lines = [json.loads(line) for line in body.splitlines()]
        files = [line["value"] for line in lines if line["key"] == "file"]
        name = self.hub.commit(match["repo"], {file["path"]: base64.b64decode(file["content"]) for file in files})
        url = f"{self.hub.url}/{match['repo']}/commit/{name}"
        return self._answer(200, {"success": True, "commitOid": name, "commitUrl": url, "hookOutput": ""})

    def do_GET(self) -> None:
        match = _RESOLVE.fullmatch(self.path.partition("?")[0])
        if not match:
            return self._answer(404, {})
        revisions = self.hub.repositories.get(match["repo"])
        if revisions is None:
            return self._answer(404, {}, X_Error_Code="RepoNotFound")
        if match["revision"] not in revisions:
            return self._answer(404, {}, X_Error_Code="RevisionNotFound")
        found = revisions[match["revision"]]
        content = found.get(match["name"])
        commit = next(name for name, files in revisions.items() if name != "main" and files is found)
        if content is None:
            return self._answer(404, {}, X_Error_Code="EntryNotFound", X_Repo_Commit=commit)
        etag = f'"{hashlib.sha256(content).hexdigest()}"'
        return self._answer(200, content, ETag=etag, X_Repo_Commit=commit)

    do_HEAD = do_GET
