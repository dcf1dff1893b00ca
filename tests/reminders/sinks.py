"""A mail server and a webhook on loopback, over TLS, that keep what arrives."""

import ssl
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import Envelope, Session

from dashboard.ops.ports import free_port
from tests.modelarts.test_certificates import certificate

LOOPBACK = "127.0.0.1"
Pause = Callable[[], None]


def tls(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's context for this address, and the file that makes clients trust it."""
    file = certificate(folder, LOOPBACK)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    return context, file


class MailSink:
    """A mail server.

    Attributes:
        arrived: The text of each message that was taken.
        answer: What it says to a message.
        before_answer: Called once a message has arrived and before it is answered.
    """

    def __init__(self, folder: Path, *, in_clear: bool = False) -> None:
        context, self.trusted = tls(folder)
        self.arrived: list[str] = []
        self.answer = "250 OK"
        self.before_answer: Pause = lambda: None
        self._controller = Controller(
            self,
            hostname=LOOPBACK,
            port=free_port(),
            ssl_context=None if in_clear else context,
        )
        self.port = self._controller.port

    async def handle_DATA(
        self, server: Any, session: Session, envelope: Envelope
    ) -> str:
        if self.answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.arrived.append(envelope.content.decode())
        self.before_answer()
        return self.answer

    def __enter__(self) -> Self:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Closing waits for clients, and one that was killed may never say goodbye.
        abort = getattr(self._controller.server, "abort_clients", None)  # Python 3.13
        if abort:
            self._controller.loop.call_soon_threadsafe(abort)
        self._controller.stop()


class WebhookSink:
    """A webhook.

    Attributes:
        arrived: Path and body of each request.
        status: What it answers.
        headers: And with which headers.
        before_answer: Called once a request has arrived and before it is answered.
    """

    def __init__(self, folder: Path) -> None:
        context, self.trusted = tls(folder)
        self.arrived: list[tuple[str, str]] = []
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body = b"ok"
        self.before_answer: Pause = lambda: None
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                sink.arrived.append((self.path, self.rfile.read(length).decode()))
                sink.before_answer()
                self.send_response(sink.status)
                for name, value in sink.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(sink.body)))
                self.end_headers()
                self.wfile.write(sink.body)

            do_GET = do_POST

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                """Clients that are killed leave in the middle of a word."""

        self._server = Server((LOOPBACK, 0), Handler)
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]
        self.url = f"https://{LOOPBACK}:{self.port}/hook/secret-token-0123456789"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
