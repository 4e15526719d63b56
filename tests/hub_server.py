"""A server of this machine that shows one repository as the hub does."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

import torch
from file_server import LocalServer
from huggingface_hub import constants
from safetensors.torch import save

from bench.models.hub import Repository

REVISION = "0123456789abcdef0123456789abcdef01234567"
SOURCE = Repository("someone/tiny-sam", REVISION)
WEIGHTS = save({"a": torch.arange(6.0)})


class Hub(LocalServer):
    """One repository as the hub shows it; ``fault`` is the code that it refuses all with."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.files = {
            "config.json": b'{"model_type": "sam"}',
            "model.safetensors": WEIGHTS,
            "pytorch_model.bin": b"never asked for",
        }
        self.fault = None
        self.got = []


class HubHandler(BaseHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, *, body):
        path, fault = self.path.partition("?")[0], self.server.fault
        if fault is not None:
            self.say(403 if fault == "GatedRepo" else 404, b"{}", {"X-Error-Code": fault})
        elif path.startswith("/api/models/"):
            files = self.server.files
            listed = [
                {
                    "type": "file",
                    "path": name,
                    "oid": hashlib.sha1(data).hexdigest(),
                    "size": len(data),
                }
                for name, data in files.items()
            ]
            tree = "/tree/" in path
            about = {
                "id": SOURCE.name,
                "sha": REVISION,
                "siblings": [{"rfilename": n} for n in files],
            }
            self.say(200, json.dumps(listed if tree else about).encode(), {})
        else:
            name = path.rpartition("/")[2]
            content = self.server.files[name]
            if body:
                self.server.got.append(name)
            self.say(200, content if body else b"", {
                "ETag": f'"{hashlib.sha1(content).hexdigest()}"',
                "X-Repo-Commit": REVISION,
                "Content-Length": str(len(content)),
            })  # fmt: skip

    def say(self, code, content, headers):
        self.send_response(code)
        for name, value in {"Content-Length": str(len(content)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)


@contextmanager
def serving_hub(cache, monkeypatch):
    """Serves while it is entered; the hub's client asks it, and keeps what it gets in ``cache``."""
    server = Hub()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    files = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, address)
    monkeypatch.setattr(constants, "ENDPOINT", address)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", files)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    yield server
    server.shutdown()
    server.server_close()
    thread.join(5)
