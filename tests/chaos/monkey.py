"""The monkey: kills, stops, and cuts off whatever keeps the jobs running."""

import random
import time
from collections.abc import Sequence

from tests.chaos.pace import DEAD_AFTER
from tests.chaos.seller import Seller
from tests.chaos.stage import ServiceProcess, Stage
from tests.support.deadline import wait_until

TRICKS = {
    "kill": 4,
    "freeze": 3,
    "restart database": 2,
    "break connections": 3,
    "stop in order": 2,
}


class Monkey:
    """Plays one trick after the other, drawn with its seed.

    Attributes:
        played: what it did, in order.
    """

    def __init__(self, stage: Stage, seed: int, sellers: Sequence[Seller] = ()) -> None:
        self._sellers = sellers
        self._stage = stage
        self._random = random.Random(seed)
        self.played: list[str] = []
        self.service = stage.start()

    def play(self) -> None:
        """One trick, with a little peace before it."""
        trick = self._random.choices(list(TRICKS), list(TRICKS.values()))[0]
        self._settle_on(self.service)
        time.sleep(self._random.uniform(0.1, 1.2))
        self.played.append(trick)
        {
            "kill": self._kill,
            "freeze": self._freeze,
            "restart database": self._restart_database,
            "break connections": self._stage.break_connections,
            "stop in order": self._stop_in_order,
        }[trick]()

    def rest(self) -> None:
        """Let the service that is left work."""
        self._settle_on(self.service)

    def _settle_on(self, service: ServiceProcess) -> None:
        port = service.ready().bridge_port()
        for seller in self._sellers:
            seller.go_to(port)

    def _kill(self) -> None:
        self.service.kill()
        self.service = self._stage.start()

    def _stop_in_order(self) -> None:
        self.service.terminate()
        self.service = self._stage.start()

    def _restart_database(self) -> None:
        self._stage.restart_database(self._random.choice(("fast", "immediate")))

    def _freeze(self) -> None:
        """Stop it until another has taken its jobs over, then let it go on as a zombie."""
        frozen = self.service
        other = self._stage.start().ready()
        frozen.freeze()
        wait_until(lambda: frozen.pid not in self._stage.nodes(), DEAD_AFTER.seconds + 15)
        self._settle_on(other)
        time.sleep(self._random.uniform(0, 1))
        frozen.thaw()
        time.sleep(self._random.uniform(0.5, 1.5))
        leaver, stayer = self._random.sample([frozen, other], 2)
        self._leave(leaver)
        self.service = stayer

    def _leave(self, service: ServiceProcess) -> None:
        if self._random.random() < 0.5:
            service.kill()
        else:
            service.terminate()
