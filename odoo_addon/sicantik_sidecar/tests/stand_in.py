"""An HTTP server on this machine that answers as it is told, and remembers what it was asked."""

import json
import socket
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class StandIn(ThreadingHTTPServer):
    """`answer` is the result for every call, or a function of the handler that writes the whole
    response.
    """

    daemon_threads = True

    def __init__(self, answer):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answer = answer
        self.calls = []
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def wait_for(self, count, seconds=5):
        deadline = time.monotonic() + seconds
        while len(self.calls) < count and time.monotonic() < deadline:
            time.sleep(0.01)
        return [body["method"] for body, _headers in self.calls]


class _Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.calls.append((body, dict(self.headers)))
        if callable(self.server.answer):
            self.server.answer(self)
        else:
            self.send_json(200, {"jsonrpc": "2.0", "id": body["id"], "result": self.server.answer})

    def do_GET(self):
        self.server.calls.append(({"method": "GET " + self.path}, dict(self.headers)))
        self.send_json(200, {})

    def send_json(self, status, value, **headers):
        text = json.dumps(value).encode()
        self.send_response(status)
        for name, header in headers.items():
            self.send_header(name, header)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        """Nothing: the log of the tests is read for warnings."""


@contextmanager
def hanging_port():
    """A port that takes connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def closed_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{probe.getsockname()[1]}"
