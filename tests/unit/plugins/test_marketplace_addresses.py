"""Where another host stands for a marketplace: used as it is, or named before anything starts."""

from pathlib import Path

import pytest

from runtime.cli.checkup import examine
from runtime.errors import ConfigurationError
from runtime.handlers.registry import load_registry
from runtime.process.config import Settings

VARIABLES = [f"RUNTIME_{name}_URL" for name in ("EBAY_API", "EBAY_AUTH", "ETSY_API", "ETSY_AUTH")]


@pytest.mark.parametrize("name", VARIABLES)
@pytest.mark.parametrize(
    "value",
    ["api.ebay.com", "ftp://api.ebay.com", "https://", "https://h:port", "https://[::1",
     "https://a b", "https://h?x=1", "https://h#x", "https://user:secret@h", "https://h:0",
     "https://h\\x"],
)  # fmt: skip
def test_an_address_that_cannot_be_used_is_named_at_the_start(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=f"cannot use the settings: {name}: '"):
        load_registry()


def test_doctor_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("RUNTIME_ETSY_API_URL", "etsy")
    found = {one.name: one for one in examine(Settings(data_dir=tmp_path, database_url="x"))}
    assert found["handlers"].status == "failed"
    assert "RUNTIME_ETSY_API_URL" in found["handlers"].detail


@pytest.mark.parametrize(
    ("value", "used"),
    [
        ("https://api.sandbox.ebay.com/", "https://api.sandbox.ebay.com"),
        (" http://127.0.0.1:8080/ebay ", "http://127.0.0.1:8080/ebay"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_another_host_is_used(monkeypatch: pytest.MonkeyPatch, value: str, used: str) -> None:
    monkeypatch.setenv("RUNTIME_EBAY_API_URL", value)
    ebay = load_registry().marketplaces["ebay"]
    assert ebay.base_url == used
    assert ebay.auth is not None
    assert ebay.auth.token_url == f"{used}/identity/v1/oauth2/token"
