"""The bridge, driven by hand or over real sockets."""
