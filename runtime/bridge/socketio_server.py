"""Runs Socket.IO in one thread of its own.

Beside ``client_connections`` this is the only file that knows eventlet. Nothing is monkey-patched,
so that the rest of the process keeps ordinary threads. Other threads hand work over through a
queue that wakes this thread up; it answers with messages.
"""

import contextlib
import socket
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any

import structlog

from runtime import messages
from runtime.bridge import packet_json
from runtime.bridge.admission import EIO_SID, Admission, session_of
from runtime.bridge.allowed_origins import AllowedOrigins
from runtime.bridge.client_connections import (
    BODY_SECONDS,
    HEADER_SECONDS,
    SLOWEST_BODY,
    ClientConnection,
    ClientListener,
    Protocol,
)
from runtime.bridge.library_log import LONGEST_DETAIL, ErrorStream, LibraryLog
from runtime.bridge.listening_socket import connection_limit, listen
from runtime.bridge.seller_tokens import Identity
from runtime.bridge.wakeup_queue import WakeupQueue
from runtime.errors import TokenError
from runtime.process.clock import epoch_ms
from runtime.process.repeated_lines import RepeatedLines

with warnings.catch_warnings():
    # eventlet warns at each import that it is in maintenance mode. The project knows of this:
    # therefore little depends on it.
    warnings.simplefilter("ignore")
    import engineio.payload
    import eventlet
    import socketio
    from eventlet import greenio, hubs, wsgi

log = structlog.get_logger(__name__)

ACKNOWLEDGE_SECONDS = 10
STRANGER_SECONDS = 10
IDLE_SECONDS = 60
STOP_SECONDS = 5
FLUSH_SECONDS = 1
MOST_UNREAD = 200
"""The packets that may wait for a client that does not fetch them."""
MOST_SOCKETS = 20
"""The connections of one seller."""
REQUEST_BYTES = 2_048
"""What a stranger's request takes from the budget of its connection."""
WATCH_SECONDS = 0.5
LAG_SECONDS = 0.5
NAMESPACE = "/"

# A polling client sends all packets that have gathered in one request. The library's limit of
# 16 packets would drop the whole request with its responses; the limit of bytes is enough.
engineio.payload.Payload.max_decode_packets = 10_000


class SocketIOServer:
    """The listening side of the bridge.

    Args:
        origins: the origins of web pages that may connect; ``*`` stands for all.
        max_bytes: the size of the largest packet that is accepted.
        authenticate: returns who connects, from the handshake's ``auth``; raises TokenError.
        deliver: takes SocketConnected, SocketDisconnected, SocketsAnnounced and
            BrowserResponded; it runs in the server's thread, and must neither block nor raise.
        now: the node's clock, for which browsers may ask.
        others: the WSGI application for requests that are not Socket.IO.
    """

    def __init__(
        self,
        host: str,
        port: int,
        origins: Sequence[str],
        max_bytes: int,
        authenticate: Callable[[object], Identity],
        deliver: Callable[[Any], None],
        now: Callable[[], datetime],
        others: Callable[..., Iterable[bytes]] | None = None,
    ) -> None:
        self._host, self._port = host, port
        self._max_bytes = max_bytes
        self._authenticate = authenticate
        self._deliver = deliver
        self._now = now
        self._origins = AllowedOrigins(origins)
        self._admission = Admission(self._origins, max_bytes)
        self._live: dict[str, messages.SocketConnected] = {}
        self._introduced: set[str] = set()
        self._posting: set[str] = set()
        self._connections: dict[str, set[ClientConnection]] = {}
        self._sids: dict[str | None, str] = {}
        self._complained: set[str] = set()
        self._wakeups = WakeupQueue()
        self._stopping = False
        self._repeated = RepeatedLines()
        self._thread: threading.Thread | None = None
        self._sio = self._socketio()
        self._wsgi_app: Callable[..., Iterable[bytes]] = socketio.WSGIApp(self._sio, others)

    # --- called from any thread ----------------------------------------------------------

    def start(self) -> None:
        """Listen, and serve in a thread of its own.

        Raises:
            ConfigurationError: the address cannot be used; PortInUse if it is taken.
        """
        limit = connection_limit()
        self._listener = listen(self._host, self._port)
        self._port = self._listener.getsockname()[1]
        self._thread = threading.Thread(
            target=self._run, args=(self._wakeups.open(), limit), name="socketio", daemon=True
        )
        self._thread.start()
        log.info("bridge listens", host=self._host, port=self._port, connections=limit)

    @property
    def port(self) -> int:
        """The port that the bridge listens on; if 0 was asked for, the real one once started."""
        return self._port

    def emit(
        self, sid: str, event: str, payload: dict[str, Any], may_leave: Callable[[], bool]
    ) -> None:
        """Send an event to a socket, if it is live and ``may_leave`` agrees right before."""
        self._wakeups.post(lambda: self._sio.emit(event, payload, to=sid) if may_leave() else None)

    def disconnect(self, sid: str) -> None:
        """Close a socket's connection; its client will try to connect again."""
        self._wakeups.post(partial(self._close, sid))

    def announce(self) -> None:
        """Deliver SocketConnected again for every live socket, then SocketsAnnounced."""
        self._wakeups.post(self._announce)

    def stop(self) -> None:
        """Close every connection and end the thread, in bounded time."""
        if self._thread is None:
            return
        self._wakeups.post(partial(setattr, self, "_stopping", True))
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            log.warning("the bridge's thread did not end in time and is left behind")
        else:
            self._wakeups.close()
        self._thread = None

    # --- the thread ----------------------------------------------------------------------

    def _run(self, bell: socket.socket, limit: int) -> None:
        # eventlet would print the tracebacks that clients cause to standard error.
        hubs.get_hub().debug_exceptions = False
        pool = eventlet.GreenPool(limit)
        # Half of the places are kept for sellers.
        self._accepting = ClientListener(self._listener, limit // 2, self._repeated)
        accepting = eventlet.spawn(self._accept, pool)
        watching = eventlet.spawn(self._watch)
        try:
            self._work(greenio.GreenSocket(bell))
        finally:
            watching.kill()
            self._shut_down(accepting, pool)

    def _accept(self, pool: Any) -> None:
        wsgi.server(
            self._accepting,
            self._app,
            custom_pool=pool,
            protocol=Protocol,
            environ={"wsgi.errors": ErrorStream()},
            socket_timeout=IDLE_SECONDS,
            log_output=False,
            debug=False,
        )

    def _watch(self) -> None:
        """Say in the log when this thread was held up, and how often a line was repeated."""
        while True:
            begun = time.monotonic()
            eventlet.sleep(WATCH_SECONDS)
            lag = time.monotonic() - begun - WATCH_SECONDS
            if lag > LAG_SECONDS:
                log.warning("the bridge was held up", lag_ms=round(lag * 1000))
            self._repeated.sum_up()

    def _work(self, bell: Any) -> None:
        while not self._stopping:
            bell.recv(4_096)
            for work in self._wakeups.take():
                try:
                    work()
                except Exception as error:
                    log.exception("the bridge could not do its work", error=repr(error))

    def _shut_down(self, accepting: Any, pool: Any) -> None:
        for session in list(self._sio.eio.sockets.values()):
            session.close(wait=False, abort=True)
        # Connections that hang are abandoned after this time, because the thread has to end.
        with eventlet.Timeout(FLUSH_SECONDS, False):
            accepting.kill()
            pool.waitall()
        for green_thread in list(pool.coroutines_running):
            green_thread.kill()
        with eventlet.Timeout(FLUSH_SECONDS, False):
            self._sio.shutdown()
        self._listener.close()

    # --- sockets -------------------------------------------------------------------------

    def _socketio(self) -> Any:
        library_log = LibraryLog(self._repeated)
        sio = socketio.Server(
            async_mode="eventlet",
            # Handlers run in the order of the packets, and only hand messages over.
            async_handlers=False,
            cors_allowed_origins=self._origins.permits,
            max_http_buffer_size=self._max_bytes,
            json=packet_json,
            logger=library_log,
            engineio_logger=library_log,
        )
        sio.on("connect", self._on_connect)
        sio.on("disconnect", self._on_disconnect)
        sio.on("plugin_response", self._on_response)
        sio.on("bridge_clock", self._on_clock)
        sio.on("*", self._on_unknown_event)
        # Engine.IO's handlers are wrapped: Socket.IO tells nothing of sessions that never
        # authenticate, nor of packets that it cannot read.
        inner = dict(sio.eio.handlers)
        sio.eio.on("connect", partial(self._on_session, inner["connect"]))
        sio.eio.on("message", partial(self._on_packet, inner["message"]))
        sio.eio.on("disconnect", partial(self._on_session_end, inner["disconnect"]))
        return sio

    def _on_session(self, inner: Callable[..., Any], eio_sid: str, environ: Any) -> Any:
        environ[EIO_SID] = eio_sid
        self._connections[eio_sid] = {_connection_of(environ)}
        # A session that does not authenticate in time must not hold a connection for good.
        eventlet.spawn_after(STRANGER_SECONDS, self._close_stranger, eio_sid)
        return inner(eio_sid, environ)

    def _on_packet(self, inner: Callable[..., Any], eio_sid: str, packet: Any) -> None:
        # A request may hold thousands of packets, and the others have a turn after each.
        eventlet.sleep(0)
        if self._is_over(eio_sid):
            return
        try:
            self._admit(eio_sid, packet)
            # Types 5 and 6 announce binary attachments, which the library gathers without a limit.
            if not isinstance(packet, str) or packet[:1] in {"5", "6"}:
                raise ValueError("binary packets and bare values are not part of the protocol")
            inner(eio_sid, packet)
        except Exception as error:  # noqa: BLE001 - one client's nonsense is its own affair
            self._complain(eio_sid, "unreadable packet ignored", repr(error))

    def _admit(self, eio_sid: str, packet: object) -> None:
        """Let a stranger show one token and nothing else, and nobody let packets pile up."""
        session = self._sio.eio.sockets[eio_sid]
        if session.queue.qsize() > MOST_UNREAD:
            self._close_session(eio_sid)
            raise ValueError("the packets for this client are not fetched")
        if eio_sid in self._sids:
            return
        if eio_sid in self._introduced or not str(packet).startswith("0"):
            self._close_session(eio_sid)
            raise ValueError("who has no valid token may connect once, and send nothing else")
        self._introduced.add(eio_sid)

    def _is_over(self, eio_sid: str) -> bool:
        session = self._sio.eio.sockets.get(eio_sid)
        return session is None or session.closed or session.closing

    def _on_session_end(self, inner: Callable[..., Any], eio_sid: str, reason: str) -> None:
        inner(eio_sid, reason)
        self._complained.discard(eio_sid)
        self._introduced.discard(eio_sid)
        self._forget(eio_sid)
        # What is closed does not stay open for as long as its client sends. The last packets have
        # a moment to leave.
        eventlet.spawn_after(FLUSH_SECONDS, self._cut, eio_sid)

    def _cut(self, eio_sid: str) -> None:
        for connection in self._connections.pop(eio_sid, ()):
            connection.cut()

    def _on_connect(self, sid: str, environ: dict[str, Any], auth: object = None) -> None:
        if self._is_forged(sid):
            return
        try:
            identity = self._authenticate(auth)
        except TokenError as error:
            reason, address = str(error), environ.get("REMOTE_ADDR")
            self._repeated.say(
                log.warning, "browser refused", (reason, address), reason=reason, address=address
            )
            raise socketio.exceptions.ConnectionRefusedError(str(error)) from None
        connected = messages.SocketConnected(
            sid,
            identity.user_id,
            identity.resume,
            identity.client_id,
            identity.expires_at,
            identity.token,
        )
        self._live[sid] = connected
        self._sids[environ[EIO_SID]] = sid
        self._trust(_connection_of(environ))
        self._close_oldest(identity.user_id)
        self._deliver(connected)

    def _trust(self, connection: ClientConnection) -> None:
        connection.trust(self._max_bytes)
        self._accepting.forget(connection)

    def _close_oldest(self, user_id: int) -> None:
        """Keep the number of a seller's connections within bounds."""
        sids = [sid for sid, one in self._live.items() if one.user_id == user_id]
        if len(sids) > MOST_SOCKETS:
            log.warning(
                "a seller has too many connections; the oldest is closed",
                user_id=user_id, limit=MOST_SOCKETS,
            )  # fmt: skip
            self._close(sids[0])

    def _on_disconnect(self, sid: str, *_: Any) -> None:
        if self._is_forged(sid):
            return
        eio_sid = self._eio_sid(sid)
        self._forget(eio_sid)
        self._introduced.discard(str(eio_sid))
        # The connection is still open, and nobody is logged in on it: it is a stranger's again.
        eventlet.spawn_after(STRANGER_SECONDS, self._close_stranger, eio_sid)

    def _on_response(self, sid: str, *arguments: Any) -> dict[str, Any] | None:
        answered = eventlet.Event()
        self._deliver(
            messages.BrowserResponded(
                sid,
                arguments[0] if arguments else None,
                lambda answer: self._wakeups.post(partial(_answer, answered, answer)),
            )
        )
        # The client forgets its answer with the acknowledgement, so this waits for the actor.
        answer: dict[str, Any] | None = answered.wait(timeout=ACKNOWLEDGE_SECONDS)
        if answer is None:
            # The client connects again, and sends the answer once more.
            late = "response not acknowledged in time; its socket is closed"
            user_id = self._live[sid].user_id if sid in self._live else None
            self._repeated.say(log.warning, late, user_id, sid=sid, user_id=user_id)
            self._close(sid)
        return answer

    def _on_clock(self, _sid: str, *_: Any) -> dict[str, int]:
        return {"now": epoch_ms(self._now())}

    def _on_unknown_event(self, event: str, sid: str, *_: Any) -> None:
        self._complain(self._eio_sid(sid), "unknown event ignored", repr(event))

    def _is_forged(self, sid: str) -> bool:
        """Return whether a client sent an event under a name that the library itself uses."""
        return bool(self._sio.manager.is_connected(sid, NAMESPACE))

    def _eio_sid(self, sid: str) -> str | None:
        return self._sio.manager.eio_sid_from_sid(sid, NAMESPACE)  # type: ignore[no-any-return]

    def _forget(self, eio_sid: str | None) -> None:
        sid = self._sids.pop(eio_sid, None)
        if sid is not None:
            del self._live[sid]
            self._deliver(messages.SocketDisconnected(sid))

    def _close(self, sid: str) -> None:
        self._close_session(self._eio_sid(sid))

    def _close_session(self, eio_sid: str | None) -> None:
        """End the connection; after a mere Socket.IO disconnect clients would never come back."""
        session = self._sio.eio.sockets.get(eio_sid)
        if session is not None:
            session.close(wait=False, abort=True)

    def _close_stranger(self, eio_sid: str | None) -> None:
        if eio_sid not in self._sids:
            self._close_session(eio_sid)

    def _announce(self) -> None:
        for connected in list(self._live.values()):
            self._deliver(connected)
        self._deliver(messages.SocketsAnnounced())

    def _complain(self, eio_sid: str | None, event: str, detail: str) -> None:
        """Log one line for each connection, however much nonsense it sends."""
        session = self._sio.eio.sockets.get(eio_sid)
        if session is None or session.closed or session.sid in self._complained:
            return
        self._complained.add(session.sid)
        live = self._live.get(self._sids.get(session.sid, ""))
        user_id = live.user_id if live else None
        # Nor does a client that comes again and again get a line for each time.
        self._repeated.say(
            log.warning, event, user_id, detail=detail[:LONGEST_DETAIL], user_id=user_id
        )

    def _app(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        session = session_of(environ)
        connection = _connection_of(environ)
        # Many requests may be read at once, so that each has a price beside its bytes.
        connection.take_turn(REQUEST_BYTES if connection.is_stranger else 0)
        knows = session in self._sids
        rejection = self._admission.rejection(environ, is_stranger=not knows)
        if rejection is None and environ["REQUEST_METHOD"] == "POST" and session in self._posting:
            rejection = "400 Bad Request", "a session sends one request after the other"
        if rejection is not None:
            self._complain(session, "request refused", rejection[0])
            self._close_session(session)
            return _plain(start_response, *rejection)
        if knows:
            self._trust(connection)
        with self._served(environ, session, connection):
            return self._answered(environ, start_response)

    @contextlib.contextmanager
    def _served(
        self, environ: dict[str, Any], session: str | None, connection: ClientConnection
    ) -> Iterator[None]:
        """Let the connection end with its session, and the body come within its time."""
        posts = session is not None and environ["REQUEST_METHOD"] == "POST"
        if session in self._sio.eio.sockets:
            self._connections.setdefault(str(session), set()).add(connection)
        if posts:
            self._posting.add(str(session))
        size = int(environ.get("CONTENT_LENGTH") or 0)
        connection.expect_within(BODY_SECONDS + size / SLOWEST_BODY if size else None)
        try:
            yield
        finally:
            # What was not read of the body is read before the next request.
            connection.expect_within(HEADER_SECONDS)
            if posts:
                self._posting.discard(str(session))
            opened = session_of(environ)
            if opened in self._connections:
                self._connections[opened].discard(connection)
                if not self._connections[opened] and opened not in self._sio.eio.sockets:
                    del self._connections[opened]

    def _answered(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        # Browsers offer compression, which would cost a quarter of a megabyte per connection.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        try:
            return self._wsgi_app(environ, start_response)
        except OSError:
            raise
        except Exception as error:  # noqa: BLE001 - one client's nonsense is its own affair
            self._complain(session_of(environ), "connection closed", repr(error))
            self._close_session(session_of(environ))
            if "HTTP_UPGRADE" in environ:
                wsgi.WSGI_LOCAL.already_handled = True
                return []
            return _plain(start_response, "400 Bad Request", "that makes no sense to the bridge")


def _connection_of(environ: dict[str, Any]) -> ClientConnection:
    connection: ClientConnection = environ["eventlet.input"].get_socket()
    return connection


def _answer(answered: Any, answer: dict[str, Any]) -> None:
    if not answered.ready():
        answered.send(answer)


def _plain(start_response: Any, status: str, text: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain; charset=utf-8")])
    return [text.encode()]
