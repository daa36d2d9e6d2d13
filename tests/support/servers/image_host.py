"""A host of images, over HTTPS on this machine, and a world in which its name is a public one."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from runtime.http.download import DownloadLimits
from runtime.http.public_hosts import refuse_private

HOST = "photos.example"
HERE = "127.0.0.1"


class ImageHost:
    """Answers each path as a test says; remembers what was asked.

    Attributes:
        answers: a path to a status, headers and body, or to what is done with the handler.
        names: what the resolver of :meth:`limits` knows.
    """

    def __init__(self, port: int, certificate: Path) -> None:
        self.port = port
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[str, str]] = []
        self.names: dict[str, list[str]] = {HOST: [HERE]}
        self._certificate = certificate

    def url(self, path: str, host: str = HOST) -> str:
        return f"https://{host}:{self.port}{path}"

    def limits(self, **changes: Any) -> DownloadLimits:
        """Limits in whose world this machine is a public host."""

        def refuse(host: str, addresses: list[str]) -> None:
            refuse_private(host, ["93.184.216.34" if one == HERE else one for one in addresses])

        def trust() -> ssl.SSLContext:
            return ssl.create_default_context(cafile=str(self._certificate))

        given = {"resolve": lambda host, port: self.names[host], "refuse": refuse, "trust": trust}
        return DownloadLimits(**(given | changes))


@contextmanager
def serving_images(directory: Path) -> Iterator[ImageHost]:
    """A host that listens, with a certificate of its own."""
    certificate = make_certificate(directory)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            host.asked.append((self.headers["Host"], self.path))
            answer = host.answers[self.path]
            if callable(answer):
                answer(self)
                return
            status, headers, body = answer
            self.send_response(status)
            for name, value in ({"Content-Length": str(len(body))} | headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that leaves is part of what is tested."""

    server = Server((HERE, 0), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    host = ImageHost(server.server_address[1], certificate)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        thread.join(60)


def make_certificate(directory: Path) -> Path:
    """A certificate for HOST alone, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / "certificate.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return path
