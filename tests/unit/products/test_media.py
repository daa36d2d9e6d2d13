"""The media directory, and the URLs that let browsers into it."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.errors import ImageRefused
from runtime.products.media import MAX_IMAGE_BYTES, Media
from runtime.products.media_urls import PREFIX, media_key, rejection, signed_url
from tests.support.servers.images import JPEG, PNG

NOW = datetime(2026, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = media_key("secret")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    directory = tmp_path / "media"
    (directory / "photos").mkdir(parents=True)
    (directory / "photos" / "1.jpg").write_bytes(JPEG)
    (tmp_path / "outside.jpg").write_bytes(JPEG)
    return directory


@pytest.fixture
def media(directory: Path) -> Media:
    return Media(directory, lambda: "https://media.example", KEY, HOUR, lambda: NOW)


def test_a_product_image_below_the_directory_gets_a_url_that_lets_it_be_fetched(
    media: Media,
) -> None:
    remote, local = media.urls(["https://x.example/1.jpg", "photos/1.jpg"])
    assert remote == "https://x.example/1.jpg"
    parts = urlsplit(local)
    assert (parts.scheme, parts.netloc) == ("https", "media.example")
    path = unquote(parts.path).removeprefix(PREFIX)
    assert path == "photos/1.jpg"
    assert rejection(path, parts.query, KEY, NOW + HOUR - timedelta(seconds=1)) is None
    assert rejection(path, parts.query, KEY, NOW + HOUR) == "the URL has expired"


@pytest.mark.parametrize(
    "path",
    ["../outside.jpg", "/etc/passwd", "photos", "none.jpg", "photos/../photos/1.jpg", "", "."],
)
def test_what_is_not_below_the_directory_is_refused(media: Media, path: str) -> None:
    assert media.find(path) is None
    with pytest.raises(ImageRefused):
        media.urls([path])
    with pytest.raises(ImageRefused):
        media.read(path)


@pytest.mark.parametrize(("name", "content"), [("notes.txt", b"cotton"), ("empty.jpg", b"")])
def test_a_file_that_is_no_image_gets_no_url(
    media: Media, directory: Path, name: str, content: bytes
) -> None:
    (directory / name).write_bytes(content)
    with pytest.raises(ImageRefused) as raised:
        media.urls(["photos/1.jpg", name])
    assert f"the file {name} is no image (JPEG, PNG, GIF or WebP)" in str(raised.value)


def test_a_link_leads_nowhere_outside(media: Media, directory: Path, tmp_path: Path) -> None:
    (directory / "out.jpg").symlink_to(tmp_path / "outside.jpg")
    (directory / "up").symlink_to(tmp_path)
    (directory / "circle").symlink_to(directory / "circle")
    (directory / "in.jpg").symlink_to(directory / "photos" / "1.jpg")
    assert [media.find(path) for path in ("out.jpg", "up/outside.jpg", "circle")] == [None] * 3
    assert media.read("in.jpg") == JPEG


def test_what_is_kept_can_be_read_and_stands_there_once(media: Media, directory: Path) -> None:
    path = media.keep(PNG)
    assert media.keep(PNG) == path
    assert media.read(path) == PNG
    assert len([one for one in directory.rglob("*") if one.is_file()]) == 2


def test_only_images_of_a_bounded_size_are_read_and_kept(media: Media, directory: Path) -> None:
    (directory / "page.jpg").write_bytes(b"<html>")
    (directory / "huge.jpg").write_bytes(JPEG + b"\0" * MAX_IMAGE_BYTES)
    for path, why in (("page.jpg", "no image"), ("huge.jpg", "more than")):
        with pytest.raises(ImageRefused, match=why):
            media.read(path)
    with pytest.raises(ImageRefused, match="no image"):
        media.keep(b"<html>")


_PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1)


@given(_PATHS, _PATHS, st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)))  # noqa: DTZ001
def test_a_signature_is_good_for_its_own_path_time_and_key(
    path: str, other: str, expires_at: datetime
) -> None:
    expires_at = expires_at.replace(microsecond=0, tzinfo=UTC)
    query = urlsplit(signed_url("http://x", path, KEY, expires_at)).query
    before = expires_at - timedelta(seconds=1)
    assert rejection(path, query, KEY, before) is None
    assert rejection(path, query, KEY, expires_at) is not None
    assert rejection(path, query, media_key("another"), before) is not None
    if other != path:
        assert rejection(other, query, KEY, before) is not None
    later = query.replace("expires=", "expires=1", 1)
    assert rejection(path, later, KEY, before) is not None


@pytest.mark.parametrize(
    "query",
    ["", "expires=99999999999", "signature=00", "expires=x&signature=00", "expires=-1&signature=0",
     "expires=99999999999&signature=%C3%A9", "a=1&" * 50, "expires=\u0661&signature=0"],
)  # fmt: skip
def test_whatever_else_a_query_says_is_refused(query: str) -> None:
    assert rejection("photos/1.jpg", query, KEY, NOW) is not None
