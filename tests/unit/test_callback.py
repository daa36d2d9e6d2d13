"""The local address to which a seller is sent back."""

import threading
from datetime import timedelta

import pytest
import requests

from runtime.errors import ConfigurationError, ConsentRefused
from runtime.http.callback import Callback

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
            pages.extend(requests.get(one, timeout=10) for one in addresses)

        browser = threading.Thread(target=browse)
        browser.start()
        assert callback.wait(accept, PATIENCE) == "code"
        browser.join(10)
    assert [page.status_code for page in pages] == [404, 400, 200]
    assert "that is &lt;none&gt;" in pages[1].text


def test_patience_ends() -> None:
    with Callback(0) as callback, pytest.raises(ConsentRefused, match="no answer came"):
        callback.wait(accept, timedelta(milliseconds=10))


def test_a_port_that_is_taken_is_named() -> None:
    with Callback(0) as callback:
        port = int(callback.address.rpartition(":")[2].partition("/")[0])
        with pytest.raises(ConfigurationError, match=rf"port {port} .*--port"):
            Callback(port)
