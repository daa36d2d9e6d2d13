"""The transport of HTTP calls, and the download of images."""
