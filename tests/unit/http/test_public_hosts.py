"""Which addresses are public."""

import pytest

from runtime.errors import ImageRefused
from runtime.http.public_hosts import is_public, refuse_private, resolved


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255",
        "192.168.0.1", "169.254.169.254", "100.64.0.1", "192.0.2.1", "198.18.0.1", "203.0.113.9",
        "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
        "::", "::1", "::127.0.0.1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "fe80::1",
        "fe80::1%eth0",
        "fc00::1", "fd12::1", "ff02::1", "2001:db8::1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
        "2002:7f00:1::", "2002:c0a8:101::", "2001:0:4136:e378:8000:63bf:80ff:fffe",
        "fec0::1", "feff::1", "3fff::1", "3fff:fff::1", "5f00::1", "100:0:0:1::1", "4000::1",
        "200::1", "3ffe::1", "2620:4f:8000::1", "64:ff9b:1::1", "2001:4:112::1", "2001:20::1",
        "2002:808:808::1", "::808:808", "192.88.99.1", "192.0.0.9", "192.0.0.10", "192.31.196.1",
        "192.52.193.1", "192.175.48.1", "2606:4700::1111%eth0", "2001:1ff:ffff::1",
        "nonsense", "",
    ],
)  # fmt: skip
def test_these_are_not(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "8.8.8.8", "93.184.216.34", "192.0.1.1", "192.88.98.1", "192.88.100.1", "172.32.0.1",
        "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2001:200::1", "2a00:1450::1",
        "3fff:1000::1",
    ],
)  # fmt: skip
def test_these_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
def test_what_no_host_can_be_named_is_refused(host: str) -> None:
    with pytest.raises(ImageRefused, match="no host can be named"):
        resolved(host, 443)


def test_a_host_without_addresses_is_refused() -> None:
    with pytest.raises(ImageRefused):
        refuse_private("x", [])
