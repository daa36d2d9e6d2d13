"""The command serve runs the service until it is told to stop."""

import structlog

from runtime.cli.composition import Parts
from runtime.cli.stop_signals import StopSignals
from runtime.handlers.registry import load_registry
from runtime.process.config import load_settings
from runtime.process.logs import configure_logging
from runtime.storage.schema.migrator import migrate
from runtime.storage.server.engine import open_database

log = structlog.get_logger(__name__)


def serve(parts: Parts) -> int:
    """Run the service; returns the exit code.

    SIGINT, SIGTERM and SIGHUP stop it in order, a second one at once.
    """
    settings = load_settings()
    configure_logging(settings)
    # From here on a signal is noted: one that comes while the service starts stops it in order.
    with StopSignals() as stop:
        database = open_database(settings)
        try:
            # Each start migrates, so that a new version needs no further command; services that
            # start at once wait for each other.
            try:
                migrate(database, lambda line: log.info("migrated", step=line), pause=stop.pause)
            except KeyboardInterrupt:
                log.info("stopped while another process migrates the database")
                return 0
            service = parts.make_service(settings, database, load_registry())
            service.start()
            log.info(
                "ready: sellers' browsers may connect; Ctrl-C stops",
                bridge=f"http://{settings.bridge_host}:{service.bridge_port}",
            )
            stop.wait()
            # The code tells whoever started the service that not every outcome could be recorded.
            return 0 if service.stop() else 1
        finally:
            database.dispose()
