"""Node: the actors of one process, started in order and stopped in order."""

import threading
from dataclasses import replace
from typing import Any

import pykka
import structlog

from actors.bridge import BridgeActor
from actors.directory import Directory
from actors.http import HttpActor
from actors.marketplace import MarketplaceActor
from actors.recorder import RecorderActor
from actors.scheduler import SchedulerActor
from actors.supervisor import Spawn, SupervisorActor
from actors.worker_pool import WorkerPool
from runtime import messages
from runtime.bridge.media_server import media_of
from runtime.bridge.seller_tokens import Identity, verify_token
from runtime.bridge.socketio_server import SocketIOServer
from runtime.errors import DatabaseUnavailable
from runtime.handlers.registry import Registry
from runtime.http.attached_images import image_opener
from runtime.http.transport import HttpTransport
from runtime.marketplaces.credentials import Vault
from runtime.marketplaces.record import Marketplace
from runtime.process.clock import SystemClock, moved
from runtime.process.config import Settings
from runtime.process.crash_marker import CrashMarker
from runtime.process.data_directory import encryption_keys, ensure_data_directory, token_secret
from runtime.process.lease import Lease
from runtime.shops.access_tokens import Authorizer
from runtime.shops.authorized_transport import AuthorizedTransport
from runtime.storage.nodes.heartbeat import Heartbeat
from runtime.storage.nodes.housekeeping import Housekeeper
from runtime.storage.nodes.membership import leave, register_node
from runtime.storage.schema.plugin_action_types import ensure_action_types
from runtime.storage.server.engine import Database
from runtime.storage.server.notifications import Listener

log = structlog.get_logger(__name__)

# The end of the process must not wait for a thread that hangs.
STOP_PATIENCE_SECONDS = 5.0
MARKER_DIRECTORY = "nodes"


class Node:
    """One running service.

    Args:
        database: the migrated database; the caller disposes of it after :meth:`stop`.
    """

    def __init__(self, settings: Settings, database: Database, registry: Registry) -> None:
        self._settings = settings
        self._database = database
        self._registry = registry
        self._directory = Directory()
        self._clock = SystemClock(self._directory.tell)
        self._drained = threading.Event()
        self._stopping = False
        self._workers: list[WorkerPool] = []
        self._drain: messages.Drain | None = None
        self._markers = ensure_data_directory(settings) / MARKER_DIRECTORY
        self._supervisor_incarnation = 0
        self._vault = Vault(encryption_keys(settings))
        secret = token_secret(settings)
        self._media, media_server = media_of(settings, secret, lambda: self.bridge_port)
        self._server = SocketIOServer(
            settings.bridge_host,
            settings.bridge_port,
            settings.bridge_origins,
            settings.bridge_max_bytes,
            lambda auth: self._identity(auth, secret),
            lambda message: self._directory.tell(messages.BRIDGE, message),
            self._clock.now,
            media_server,
        )

    @property
    def bridge_port(self) -> int:
        """The port that the bridge listens on."""
        return self._server.port

    def start(self) -> None:
        """Start everything.

        Raises:
            PortInUse: nothing was started.
            DatabaseUnavailable: nothing was started.
        """
        # The port comes first: a second service on the same port then fails before it is
        # registered and could be given jobs.
        self._server.start()
        try:
            with self._database.transaction("register") as session:
                ensure_action_types(session, self._registry.action_types)
                self._node_id = register_node(session)
            self._lease = Lease(self._clock.now())
            self._marker = CrashMarker(self._markers, self._node_id, self._lease.stalls)
            self._heartbeat = Heartbeat(
                self._database, self._node_id, self._clock, self._lease, self._each_beat
            )
            self._heartbeat.start()
        except BaseException:
            self._server.stop()
            raise
        self._clock.start()
        self._spawns = self._recipes()
        self._keep_supervisor()
        self._listener = Listener(self._database, self._tell_supervisor)
        # The listener starts behind the supervisor, to whom it tells everything.
        self._listener.start()
        self._housekeeper = Housekeeper(
            self._database, self._settings.retention, self._registry.needing_sellers
        )
        self._housekeeper.start()
        log.info(
            "node started",
            node=self._node_id,
            handlers=sorted(self._registry.handlers),
            bridge=f"{self._settings.bridge_host}:{self.bridge_port}",
        )

    def stop(self) -> bool:
        """Stop in order: no claims, running jobs get their time, endings are recorded.

        Returns:
            Whether every ending was recorded.
        """
        drain_time = self._settings.drain_time
        log.info("stopping", drain_seconds=drain_time.total_seconds())
        deadline = self._clock.now() + drain_time
        self._drain = messages.Drain(deadline)
        self._tell_supervisor(self._drain)
        recorded = self._drained.wait(drain_time.total_seconds() + STOP_PATIENCE_SECONDS)
        self._stopping = True
        self._housekeeper.stop()
        self._listener.stop()
        self._heartbeat.stop()
        # The supervisor goes first, or it would start the others again.
        for name in (messages.SUPERVISOR, *reversed(self._spawns)):
            entry = self._directory.find(name)
            if entry is not None:
                _stop_actor(entry.ref)
        for workers in self._workers:
            workers.stop()
        self._server.stop()
        self._clock.stop()
        recorded = recorded and self._leave()
        if not recorded:
            log.error("not everything was recorded: what was running is rescued at the next start")
        log.info("stopped")
        return recorded

    def _leave(self) -> bool:
        """Hand the remaining jobs back.

        It is tried in a thread, because a database that does not answer must not keep the service
        from stopping.
        """
        left = threading.Event()
        thread = threading.Thread(target=self._try_to_leave, args=(left,), daemon=True)
        thread.start()
        thread.join(STOP_PATIENCE_SECONDS)
        return left.is_set()

    def _try_to_leave(self, left: threading.Event) -> None:
        try:
            with self._database.transaction("leave") as session:
                leave(session, self._node_id)
        except DatabaseUnavailable as error:
            log.warning("database away", reason=str(error))
            return
        self._marker.close()
        left.set()

    def _identity(self, auth: object, secret: str) -> Identity:
        """Verify a token by the database's time, and say when it expires on this node's clock."""
        lead = self._clock.lead
        now = self._clock.now() - lead
        known = self._settings
        identity = verify_token(
            auth, secret, known.token_algorithm, now, known.longest_token_lifetime
        )
        return replace(identity, expires_at=moved(identity.expires_at, lead))

    def _tell_supervisor(self, message: Any) -> None:
        self._directory.tell(messages.SUPERVISOR, message)

    def _each_beat(self, was_forgotten: bool) -> None:
        if was_forgotten:
            log.warning("this node had been taken for dead; its jobs were taken over")
            # The presence of its sellers was forgotten, too; the bridge tells it again.
            self._directory.tell(messages.BRIDGE, messages.ActorRestarted(messages.RECORDER))
        self._keep_supervisor()

    def _keep_supervisor(self) -> None:
        """Start the supervisor; its children outlive it, so a new one takes them over."""
        if self._stopping or self._directory.find(messages.SUPERVISOR) is not None:
            return
        self._supervisor_incarnation += 1
        if self._supervisor_incarnation > 1:
            log.error("supervisor failed, starting another")
        SupervisorActor.start(
            messages.SUPERVISOR,
            self._supervisor_incarnation,
            self._directory,
            self._clock,
            spawns=self._spawns,
            marketplaces=tuple(self._registry.marketplaces),
            database=self._database,
            node_id=self._node_id,
            markers=self._markers,
            poll_interval=self._settings.poll_interval,
            drained=self._drained,
            aging=self._settings.aging,
        )
        # The new supervisor has to know that the service stops, or it would claim jobs.
        if self._drain is not None:
            self._tell_supervisor(self._drain)

    def _recipes(self) -> dict[str, Spawn]:
        marketplaces = self._registry.marketplaces
        transport = AuthorizedTransport(
            HttpTransport(marketplaces, image_opener(self._media)),
            Authorizer(self._database, self._vault, self._clock.now),
            marketplaces,
        )
        recipes: dict[str, Spawn] = {
            messages.RECORDER: self._recipe(
                messages.RECORDER, RecorderActor, database=self._database, node_id=self._node_id
            ),
            messages.HTTP: self._recipe(
                messages.HTTP, HttpActor, transport=transport, threads=self._settings.http_threads
            ),
        }
        for marketplace in self._registry.marketplaces.values():
            name = messages.marketplace_actor(marketplace.name)
            recipes[name] = self._marketplace_recipe(name, marketplace)
        recipes[messages.SCHEDULES] = self._recipe(
            messages.SCHEDULES,
            SchedulerActor,
            database=self._database,
            poll_interval=self._settings.poll_interval,
        )
        recipes[messages.BRIDGE] = self._recipe(
            messages.BRIDGE,
            BridgeActor,
            server=self._server,
            grace=self._settings.grace,
            browser_marketplaces=self._registry.needing_sellers,
        )
        return recipes

    def _marketplace_recipe(self, name: str, marketplace: Marketplace) -> Spawn:
        # Each marketplace has its own: functions that block hold up no other marketplace.
        workers = WorkerPool(
            self._database,
            self._directory,
            self._settings.worker_threads,
            self._marker,
            self._media,
        )
        self._workers.append(workers)
        return self._recipe(
            name,
            MarketplaceActor,
            marketplace=marketplace,
            registry=self._registry,
            workers=workers,
            lease=self._lease,
            marker=self._marker,
            aging=self._settings.aging,
        )

    def _recipe(self, name: str, actor: type[pykka.ThreadingActor], **arguments: Any) -> Spawn:
        def spawn(incarnation: int) -> pykka.ActorRef[Any]:
            return actor.start(name, incarnation, self._directory, self._clock, **arguments)

        return spawn


def _stop_actor(ref: pykka.ActorRef[Any]) -> None:
    try:
        ref.stop(timeout=STOP_PATIENCE_SECONDS)
    except pykka.Timeout:
        log.warning("actor does not stop; its thread is left behind", actor=str(ref))
    except pykka.ActorDeadError:
        pass
