"""Recognises the accepted types of images by their first bytes. Pure."""

HEAD_BYTES = 16
"""The number of first bytes that are enough to recognise an image."""

# Neither a name nor a Content-Type is asked: both are somebody's claim, and marketplaces judge by
# the content, too.
_SIGNATURES = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
SUFFIXES = {
    "image/jpeg": ".jpg",
    "image/png": ".png",
    "image/gif": ".gif",
    "image/webp": ".webp",
}


def image_type(head: bytes) -> str | None:
    """Return the content type of an image that begins like this, or None for other files."""
    # A RIFF file may also be sound or video; the length stands between the two words.
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for begin, kind in _SIGNATURES if head.startswith(begin)), None)
