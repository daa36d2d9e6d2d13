"""The data directory: secrets are generated once, for this user's eyes only."""

import os
import stat
from pathlib import Path

import pytest
from cryptography.fernet import Fernet

from runtime.errors import ConfigurationError, DataDirectoryError
from runtime.process.config import Settings
from runtime.process.crash_marker import CrashMarker
from runtime.process.data_directory import (
    ENCRYPTION_KEYS_FILE,
    TOKEN_SECRET_FILE,
    encryption_keys,
    ensure_data_directory,
    media_directory,
    token_secret,
)
from runtime.process.stalls import Stalls


def settings(path: Path, **others: str) -> Settings:
    return Settings.model_validate({"data_dir": path, **others})


def test_the_directory_is_made_with_its_parents(tmp_path: Path) -> None:
    path = ensure_data_directory(settings(tmp_path / "a" / "b"))
    assert path == tmp_path / "a" / "b"
    assert list(path.iterdir()) == [], "nothing is left behind"
    assert ensure_data_directory(settings(tmp_path / "a" / "b")) == path


def test_a_relative_directory_is_below_where_the_service_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ensure_data_directory(Settings()) == tmp_path / "data"


def test_a_secret_is_generated_once_and_only_this_user_may_read_it(tmp_path: Path) -> None:
    secret = token_secret(settings(tmp_path))
    keys = encryption_keys(settings(tmp_path))
    assert len(secret) >= 48
    assert token_secret(settings(tmp_path)) == secret
    assert encryption_keys(settings(tmp_path)) == keys
    assert sorted(one.name for one in tmp_path.iterdir()) == [
        ENCRYPTION_KEYS_FILE,
        TOKEN_SECRET_FILE,
    ]
    for file in tmp_path.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_another_directory_has_another_secret(tmp_path: Path) -> None:
    assert token_secret(settings(tmp_path / "a")) != token_secret(settings(tmp_path / "b"))


def test_a_generated_encryption_key_encrypts(tmp_path: Path) -> None:
    (key,) = encryption_keys(settings(tmp_path))
    assert Fernet(key).decrypt(Fernet(key).encrypt(b"x")) == b"x"


def test_what_the_operator_sets_is_taken_and_nothing_is_written(tmp_path: Path) -> None:
    secret, new, old = "mine" * 8, Fernet.generate_key().decode(), Fernet.generate_key().decode()
    given = settings(tmp_path, token_secret=secret, encryption_keys=f"{new}, {old}\n,")
    assert token_secret(given) == secret
    assert encryption_keys(given) == [new, old]
    assert list(tmp_path.iterdir()) == []


def test_keys_can_be_rotated_in_the_file_the_newest_first(tmp_path: Path) -> None:
    (old,) = encryption_keys(settings(tmp_path))
    new = Fernet.generate_key().decode()
    (tmp_path / ENCRYPTION_KEYS_FILE).write_text(f"{new}\n{old}\n")
    assert encryption_keys(settings(tmp_path)) == [new, old]


def test_a_secret_that_can_be_guessed_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"RUNTIME_TOKEN_SECRET has 3 bytes; HS256 needs"):
        token_secret(settings(tmp_path, token_secret="abc"))


def test_a_key_that_is_none_is_refused_without_showing_it(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"key 1 of RUNTIME_ENCRYPTION_KEYS") as refused:
        encryption_keys(settings(tmp_path, encryption_keys="hunter2"))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("place", ["file", "file/below", "loop"])
def test_a_directory_that_cannot_be_used_is_named_with_the_way_out(
    tmp_path: Path, place: str
) -> None:
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(DataDirectoryError) as refused:
        token_secret(settings(tmp_path / place))
    assert str(tmp_path / place) in str(refused.value)
    assert "RUNTIME_DATA_DIR" in str(refused.value)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission_is_named_with_the_way_out(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(DataDirectoryError, match="Permission denied"):
        ensure_data_directory(settings(tmp_path))


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / TOKEN_SECRET_FILE).mkdir()
    with pytest.raises(DataDirectoryError, match=TOKEN_SECRET_FILE):
        token_secret(settings(tmp_path))


@pytest.mark.parametrize("content", ["", "\n"])
def test_an_empty_secret_is_no_secret(tmp_path: Path, content: str) -> None:
    (tmp_path / TOKEN_SECRET_FILE).write_text(content)
    with pytest.raises(DataDirectoryError, match="is empty"):
        token_secret(settings(tmp_path))


def test_the_directories_are_closed_to_others_whatever_the_umask_is(tmp_path: Path) -> None:
    former = os.umask(0)
    try:
        chosen = settings(tmp_path / "data")
        directories = [ensure_data_directory(chosen), media_directory(chosen)]
        nodes = tmp_path / "nodes"
        CrashMarker(nodes, 1, Stalls())
        modes = [stat.S_IMODE(one.stat().st_mode) for one in (*directories, nodes)]
    finally:
        os.umask(former)
    assert modes == [0o700, 0o700, 0o700]
