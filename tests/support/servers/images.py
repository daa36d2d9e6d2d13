"""Smallest things that begin as images do."""

JPEG = b"\xff\xd8\xff\xe0" + b"\0" * 60
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 60
GIF = b"GIF89a" + b"\0" * 60
WEBP = b"RIFF\x20\0\0\0WEBPVP8 " + b"\0" * 60
