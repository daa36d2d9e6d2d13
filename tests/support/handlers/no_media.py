"""A media directory that is not there, for what needs none."""

from datetime import timedelta
from pathlib import Path

from runtime.products.media import Media

NO_MEDIA = Media(Path("/nonexistent"), lambda: "http://nowhere", b"", timedelta(0))
