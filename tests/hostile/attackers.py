"""Strangers and hostile sellers, each a client that wants to stop the bridge for all others.

Run as ``python attackers.py <attack> <port> [<token>]``: it says ``attacking`` once it does, and
goes on until it is killed, whatever the bridge does about it.
"""

import contextlib
import socket
import sys
import time
from collections.abc import Callable

OPEN = b"GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: x\r\n\r\n"
UPGRADE = (
    b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
    b"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
PIECE = 100_000


def frame(payload: bytes, opcode: int = 1) -> bytes:
    """A frame whose mask is zero."""
    size = len(payload)
    if size < 126:
        length = bytes([128 | size])
    elif size < 65_536:
        length = bytes([128 | 126]) + size.to_bytes(2, "big")
    else:
        length = bytes([128 | 127]) + size.to_bytes(8, "big")
    return bytes([128 | opcode]) + length + b"\0\0\0\0" + payload


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=60)


def upgraded(port: int) -> socket.socket:
    one = connected(port)
    one.sendall(UPGRADE)
    while b"\r\n\r\n" not in one.recv(4_096):
        pass
    return one


def session_on(one: socket.socket) -> bytes:
    """Open a polling session, and return its name."""
    one.sendall(OPEN)
    answer = b""
    while b'"sid":"' not in answer:
        answer += one.recv(4_096)
    return answer.split(b'"sid":"')[1].split(b'"')[0]


def post(session: bytes, body: bytes, announced: int | None = None) -> bytes:
    size = len(body) if announced is None else announced
    head = b"POST /socket.io/?EIO=4&transport=polling&sid=" + session
    return head + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size + body


def flood(port: int, opened: Callable[[int], socket.socket], data: bytes) -> None:
    """Send the same without pause; when the bridge ends the connection, begin anew."""
    while True:
        with contextlib.suppress(OSError), opened(port) as one:
            while True:
                one.sendall(data)


def tiny_frames(port: int, token: str) -> None:
    flood(port, upgraded, frame(b"6") * (PIECE // 7))


def pings(port: int, token: str) -> None:
    flood(port, upgraded, frame(b"", opcode=9) * (PIECE // 6))


def pipelined_requests(port: int, token: str) -> None:
    flood(port, connected, OPEN * (PIECE // len(OPEN)))


def many_connects(port: int, token: str) -> None:
    body = b"\x1e".join([b'40{"token":"x"}'] * 10_000)
    while True:
        with contextlib.suppress(OSError), connected(port) as one:
            one.sendall(post(session_on(one), body))
            one.recv(4_096)


def huge_nested_frames(port: int, token: str) -> None:
    flood(port, upgraded, frame(b"4[" + b"[]," * 3_300_000))


def half_requests(port: int, token: str) -> None:
    held: list[socket.socket] = []
    while True:
        with contextlib.suppress(OSError):
            held.append(connected(port))
            held[-1].sendall(b"GET / HT")
        if len(held) > 300:
            held.pop(0).close()


def half_bodies(port: int, token: str) -> None:
    held: list[socket.socket] = []
    while True:
        with contextlib.suppress(OSError):
            held.append(connected(port))
            held[-1].sendall(post(session_on(held[-1]), b"4", announced=9_000_000))
        if len(held) > 300:
            held.pop(0).close()


def hostile_seller(port: int, token: str) -> None:
    """Answer what nobody asked, without pause and without reading."""
    answer = frame(b'42["plugin_response",{"request_id":"r","success":true}]')
    while True:
        with contextlib.suppress(OSError), upgraded(port) as one:
            one.sendall(frame(b'40{"token":"' + token.encode() + b'"}'))
            while True:
                one.sendall(answer * 1_000)


ATTACKS = {
    one.__name__: one
    for one in (
        tiny_frames, pings, pipelined_requests, many_connects, huge_nested_frames, half_requests,
        half_bodies, hostile_seller,
    )
}  # fmt: skip


if __name__ == "__main__":
    attack, port, token = sys.argv[1:]
    sys.stdout.write("attacking\n")
    sys.stdout.flush()
    while True:
        with contextlib.suppress(OSError, IndexError):
            ATTACKS[attack](int(port), token)
        time.sleep(0.01)
