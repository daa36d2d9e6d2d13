"""Decides to which addresses a download may go: public ones only. Pure, except for DNS."""

import ipaddress
import socket

from runtime.errors import ImageRefused, NotSent

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

LONGEST_SHOWN = 80
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_IPV4_BITS = 2**32
# These tables hold IANA's registries of special-purpose addresses: what Python counts as global
# differs from release to release, and some of it belongs to networks that serve nothing publicly.
_SPECIAL_IPV4 = tuple(
    map(
        ipaddress.IPv4Network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16",
            "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
            "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15",
            "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
        ),
    )
)  # fmt: skip
_ALLOCATED_IPV6 = ipaddress.IPv6Network("2000::/3")
"""Only this part of IPv6 is given to networks of the public internet."""
_SPECIAL_IPV6 = tuple(
    map(
        ipaddress.IPv6Network,
        (
            "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3ffe::/16",
            "3fff::/20",
        ),
    )
)  # fmt: skip


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
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _SPECIAL_IPV4)
    inner = _inner(address)
    if inner is not None:
        return _is_public(inner)
    # A zone names an interface of this machine.
    if address.scope_id is not None or address not in _ALLOCATED_IPV6:
        return False
    return not any(address in network for network in _SPECIAL_IPV6)


def _inner(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address at which packets to an IPv6 address arrive, or None."""
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) % _IPV4_BITS)
    return address.ipv4_mapped
