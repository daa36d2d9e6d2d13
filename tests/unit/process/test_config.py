"""Settings: read from the environment, refused by name."""

from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from runtime.errors import ConfigurationError
from runtime.process.config import Settings, load_settings


def test_with_nothing_set_everything_has_a_default() -> None:
    settings = load_settings()
    assert settings.data_dir == Path("data")
    assert settings.database_url is None
    assert settings.token_secret is None
    assert settings.encryption_keys is None
    assert (settings.bridge_host, settings.bridge_port) == ("127.0.0.1", 8765)
    assert settings.bridge_origins == ()


def test_every_setting_is_an_environment_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {
        "RUNTIME_DATABASE_URL": "postgresql://u:p@h/d",
        "RUNTIME_DATABASE_DIRECT_URL": "postgresql://u:p@direct/d",
        "RUNTIME_DATA_DIR": "/srv/runtime",
        "RUNTIME_BRIDGE_HOST": "0.0.0.0",
        "RUNTIME_BRIDGE_PORT": "9000",
        "RUNTIME_BRIDGE_ORIGINS": "https://a.example/, https://b.example,",
        "RUNTIME_TOKEN_SECRET": "s3cret",
        "RUNTIME_ENCRYPTION_KEYS": "k1,k2",
        "RUNTIME_BRIDGE_GRACE_SECONDS": "1.5",
        "RUNTIME_POLL_SECONDS": "2",
        "RUNTIME_DRAIN_SECONDS": "0",
        "RUNTIME_NOT_KNOWN": "ignored",
    }
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings()
    assert settings.database_url is not None
    assert settings.database_url.get_secret_value() == "postgresql://u:p@h/d"
    assert settings.database_direct_url is not None
    assert settings.database_direct_url.get_secret_value() == "postgresql://u:p@direct/d"
    assert settings.data_dir == Path("/srv/runtime")
    assert (settings.bridge_host, settings.bridge_port) == ("0.0.0.0", 9000)
    assert settings.bridge_origins == ("https://a.example", "https://b.example")
    assert settings.token_secret is not None
    assert settings.token_secret.get_secret_value() == "s3cret"
    assert settings.encryption_keys is not None
    assert settings.encryption_keys.get_secret_value() == "k1,k2"
    assert settings.grace == timedelta(seconds=1.5)
    assert settings.poll_interval == timedelta(seconds=2)
    assert settings.drain_time == timedelta(0)


@pytest.mark.parametrize("field", Settings.model_fields)
def test_an_empty_variable_is_one_that_is_not_set(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"RUNTIME_{field.upper()}", "")
    assert load_settings() == Settings()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RUNTIME_BRIDGE_PORT", "http"),
        ("RUNTIME_BRIDGE_PORT", "70000"),
        ("RUNTIME_BRIDGE_PORT", "-1"),
        ("RUNTIME_BRIDGE_MAX_BYTES", "10"),
        ("RUNTIME_BRIDGE_GRACE_SECONDS", "0"),
        ("RUNTIME_POLL_SECONDS", "0"),
        ("RUNTIME_POLL_SECONDS", "nan"),
        ("RUNTIME_POLL_SECONDS", "inf"),
        ("RUNTIME_AGING_SECONDS", "0"),
        ("RUNTIME_DRAIN_SECONDS", "-1"),
        ("RUNTIME_DRAIN_SECONDS", "1e300"),
        ("RUNTIME_WORKER_THREADS", "0"),
        ("RUNTIME_HTTP_THREADS", "many"),
        ("RUNTIME_LOG_FORMAT", "xml"),
        ("RUNTIME_LOG_LEVEL", "loud"),
        ("RUNTIME_TOKEN_ALGORITHM", "none"),
    ],
)
def test_a_variable_that_cannot_be_used_is_named(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as refused:
        load_settings()
    assert f"{name}: " in str(refused.value)
    assert "\n" not in str(refused.value)


def test_all_that_is_wrong_is_said_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RUNTIME_BRIDGE_PORT", "http")
    monkeypatch.setenv("RUNTIME_LOG_LEVEL", "loud")
    with pytest.raises(ConfigurationError, match=r"RUNTIME_BRIDGE_PORT: .*; RUNTIME_LOG_LEVEL: "):
        load_settings()


def test_secrets_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TOKEN_SECRET", "ENCRYPTION_KEYS", "DATABASE_URL", "DATABASE_DIRECT_URL"):
        monkeypatch.setenv(f"RUNTIME_{name}", "hunter2")
    settings = load_settings()
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()}"


def test_settings_do_not_change_while_the_service_runs() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        load_settings().bridge_port = 1  # type: ignore[misc]
