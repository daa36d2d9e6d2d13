"""The local address to which a seller is sent back."""

import socket
import threading
from datetime import timedelta

import pytest
import requests

from runtime.errors import ConfigurationError, ConsentDeclined, ConsentRefused
from runtime.shops import consent_callback
from runtime.shops.consent_callback import Callback

PATIENCE = timedelta(seconds=30)


def accept(address: str) -> str:
    if "good" not in address:
        raise ConsentRefused("that is <none>")
    return "code"


def test_only_the_answer_ends_the_wait() -> None:
    with Callback(0) as callback:
        pages: list[requests.Response] = []

        def browse() -> None:
            address = callback.address
            elsewhere = f"{address.rpartition('/')[0]}/favicon.ico"
            addresses = (elsewhere, f"{address}?x=forged", f"{address}?x=good")
            pages.extend(requests.get(one, timeout=60) for one in addresses)

        browser = threading.Thread(target=browse)
        browser.start()
        assert callback.wait(accept, PATIENCE) == "code"
        browser.join(60)
    assert [page.status_code for page in pages] == [404, 400, 200]
    assert "that is &lt;none&gt;" in pages[1].text


def test_a_request_that_hangs_keeps_the_answer_from_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Given up sooner, it would let the answer pass even if there were only one thread.
    monkeypatch.setattr(consent_callback._Handler, "timeout", 2 * PATIENCE.total_seconds())
    with Callback(0) as callback:
        port = int(callback.address.rpartition(":")[2].partition("/")[0])
        with socket.create_connection(("127.0.0.1", port)) as hanging:
            hanging.sendall(b"GET /call")
            # It connects after the request that hangs, so it is taken after that one.
            browser = threading.Thread(
                target=lambda: requests.get(f"{callback.address}?x=good", timeout=60)
            )
            browser.start()
            assert callback.wait(accept, PATIENCE) == "code"
            browser.join(60)


@pytest.mark.parametrize("path", ["//[", "/callback//[?x=good", "*", "/x?%zz"])
def test_nonsense_on_the_port_is_survived(path: str, capfd: pytest.CaptureFixture[str]) -> None:
    with Callback(0) as callback:
        port = int(callback.address.rpartition(":")[2].partition("/")[0])

        def browse() -> None:
            with socket.create_connection(("127.0.0.1", port)) as line:
                line.sendall(f"GET {path} HTTP/1.0\r\n\r\n".encode())
                line.recv(100)
            requests.get(f"{callback.address}?x=good", timeout=60)

        browser = threading.Thread(target=browse)
        browser.start()
        assert callback.wait(accept, PATIENCE) == "code"
        browser.join(60)
    assert capfd.readouterr().err == ""


def test_a_no_ends_the_wait() -> None:
    def decline(_: str) -> str:
        raise ConsentDeclined("no")

    with Callback(0) as callback:
        browser = threading.Thread(target=requests.get, args=(callback.address,))
        browser.start()
        with pytest.raises(ConsentDeclined):
            callback.wait(decline, PATIENCE)
        browser.join(60)


def test_patience_ends() -> None:
    with Callback(0) as callback, pytest.raises(ConsentRefused, match="no answer came"):
        callback.wait(accept, timedelta(milliseconds=10))


def test_a_port_that_is_taken_is_named() -> None:
    with Callback(0) as callback:
        port = int(callback.address.rpartition(":")[2].partition("/")[0])
        with pytest.raises(ConfigurationError, match=rf"port {port} .*--port"):
            Callback(port)
