"""HTTP/1.1 over plain sockets, with access to the socket for the faults."""

import contextlib
import socket
import socketserver
import struct
import sys
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from .exchange import Delivery, Exchange
from .message import Request

#: SO_LINGER for 0 seconds: close at once, by RST.
_LINGER_ZERO = struct.pack("ii", 1, 0)


class CloudServer(ThreadingHTTPServer):
    """Serves an Exchange, one daemon thread per connection."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, host: str, port: int, exchange: Exchange, *, verbose: bool = False
    ) -> None:
        self.exchange = exchange
        self.verbose = verbose
        self.stopping = threading.Event()
        self._connections: set[socket.socket] = set()
        self._connections_lock = threading.Lock()
        super().__init__((host, port), CloudHandler)

    def server_bind(self) -> None:
        """Bind without a lookup of our own name, which may take seconds."""
        socketserver.TCPServer.server_bind(self)
        host, port = self.socket.getsockname()[:2]
        self.server_name, self.server_port = host, port

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._connections_lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._connections_lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore disconnected clients; show anything else."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            super().handle_error(request, client_address)

    def stop(self) -> None:
        self.stopping.set()
        self.shutdown()
        self.server_close()
        with self._connections_lock:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class CloudHandler(BaseHTTPRequestHandler):
    """Reads requests from a connection and sends the exchange's deliveries."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: CloudServer

    def _serve(self) -> None:
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not length.isdecimal():
            # No documented client sends chunks.
            self.send_error(411)
            self.close_connection = True
            return
        address = f"{self.server.server_name}:{self.server.server_port}"
        request = Request(
            method=self.command,
            target=self.path,
            headers={name.lower(): value for name, value in self.headers.items()},
            body=self.rfile.read(int(length)),
            id=uuid.uuid4().hex,
            base_url=f"http://{self.headers.get('Host') or address}",
        )
        self._deliver(self.server.exchange.perform(request, self.server.stopping))

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = _serve

    def _deliver(self, delivery: Delivery) -> None:
        stopping = self.server.stopping
        if delivery.drip_seconds:
            for byte in delivery.data:
                self.connection.sendall(bytes([byte]))
                if stopping.wait(delivery.drip_seconds):
                    break
        else:
            self.connection.sendall(delivery.data)
        if delivery.ending == "hang":
            # Until the client gives up or the server stops.
            self.connection.settimeout(0.2)
            while not stopping.is_set():
                try:
                    if not self.connection.recv(1):
                        break
                except TimeoutError:
                    continue
        if delivery.ending == "reset":
            self.connection.setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO
            )
            self.connection.close()
        if delivery.ending != "keep":
            self.close_connection = True

    def log_message(self, format: str, *args: Any) -> None:
        if self.server.verbose:
            super().log_message(format, *args)
