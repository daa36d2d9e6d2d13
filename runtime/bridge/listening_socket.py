"""Opens the socket that the bridge listens on, and makes room for its connections."""

import contextlib
import errno
import socket

from runtime.errors import ConfigurationError, PortInUse

BACKLOG = 1_024
WANTED_DESCRIPTORS = 65_536
# The database, files of handlers and calls by HTTP need descriptors, too.
RESERVED_DESCRIPTORS = 256
FEWEST_CONNECTIONS = 64


def listen(host: str, port: int) -> socket.socket:
    """Bind and listen; port 0 takes any free port.

    Raises:
        PortInUse: another process listens there.
        ConfigurationError: the address cannot be used for another reason.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise _unusable(host, port, error) from None
    listener = socket.socket(family, kind, protocol)
    try:
        # Without this option a restarted service could not listen before the operating system
        # has forgotten the old connections.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise PortInUse(host, port) from None
        raise _unusable(host, port, error) from None
    return listener


def connection_limit() -> int:
    """Return how many connections may be open, leaving descriptors for the rest of the process.

    The soft limit of 1,024 that many systems start a process with is too low for a thousand
    browsers; it is raised as far as the hard limit allows.
    """
    try:
        # The module exists on Unix only.
        import resource
    except ImportError:
        return WANTED_DESCRIPTORS
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = WANTED_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(WANTED_DESCRIPTORS, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            soft = wanted
    limit = WANTED_DESCRIPTORS if soft == resource.RLIM_INFINITY else soft
    return max(limit - RESERVED_DESCRIPTORS, FEWEST_CONNECTIONS)


def _unusable(host: str, port: int, error: Exception) -> ConfigurationError:
    reason = getattr(error, "strerror", None) or str(error)
    return ConfigurationError(
        f"the bridge cannot listen on {host}:{port} ({reason}): set RUNTIME_BRIDGE_HOST to an "
        "address of this machine and RUNTIME_BRIDGE_PORT to a port that this user may open"
    )
