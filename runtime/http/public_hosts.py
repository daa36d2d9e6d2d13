"""Decides to which addresses a download may go: public ones only. Pure, except for DNS."""

import ipaddress
import socket

from runtime.errors import ImageRefused, NotSent

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_SHOWN = 80
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_BITS = 2**32


def is_public(address: str) -> bool:
    """Return whether the whole internet can reach an address, so that it is no inner one."""
    try:
        return _is_public(ipaddress.ip_address(address))
    except ValueError:  # one with a zone of an interface, or none at all
        return False


def resolved(host: str, port: int) -> list[str]:
    """Return all addresses of a host.

    Raises:
        ImageRefused: no host can have that name.
        NotSent: the host has no address, or DNS does not answer now.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError:
        raise ImageRefused(f"no host can be named {host[:LONGEST_SHOWN]!r}") from None
    except OSError as error:
        raise NotSent(f"the host {host} cannot be looked up: {error}") from None
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def refuse_private(host: str, addresses: list[str]) -> None:
    """Check that every address of a host is public.

    Raises:
        ImageRefused: one of them is not, or there is none.
    """
    # Every address, because nobody knows which of them a second look-up would give.
    private = [address for address in addresses if not is_public(address)]
    if private or not addresses:
        raise ImageRefused(
            f"the host {host} leads into a private network ({', '.join(private)}): images come "
            "from the public internet only"
        )


def _is_public(address: Address) -> bool:
    if isinstance(address, ipaddress.IPv6Address) and (inner := _inner(address)) is not None:
        return _is_public(inner)
    # Python counts multicast addresses as global, and reserved ones of IPv6, too.
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address at which packets to an IPv6 address arrive, or None."""
    if address.ipv4_mapped is not None or address.sixtofour is not None:
        return address.ipv4_mapped or address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) % _IPV4_BITS)
    return None
