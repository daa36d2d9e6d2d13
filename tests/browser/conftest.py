"""The built client for every test, and a browser for those that ask."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser.built_client import build
from tests.browser.chromium import Chromium


@pytest.fixture(scope="session")
def dist() -> Path:
    """Where the built client is."""
    return build()


@pytest.fixture
def chromium(tmp_path: Path) -> Iterator[Chromium]:
    """A browser with a profile of its own."""
    with Chromium(tmp_path / "profile") as browser:
        yield browser
