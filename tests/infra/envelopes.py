"""A Sentry that only receives: https://develop.sentry.dev/sdk/data-model/envelopes/"""

import gzip
import json
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """What has arrived.

    Attributes:
        dsn: where to send it.
    """

    dsn: str = ""
    received: "queue.Queue[bytes]" = field(default_factory=queue.Queue)

    def event(self) -> dict[str, Any]:
        """The next event, waited for."""
        _header, _item, payload = self.received.get(timeout=10).split(b"\n")[:3]
        event: dict[str, Any] = json.loads(payload)
        return event


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive while inside."""
    made = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            made.received.put(gzip.decompress(body) if self.headers["Content-Encoding"] == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            """Nothing to say."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    made.dsn = f"http://key@127.0.0.1:{server.server_port}/7"
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
