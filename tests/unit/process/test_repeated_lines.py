"""Lines that somebody outside could repeat: the first is written, the others are counted."""

from datetime import timedelta
from typing import Any

from runtime.process.repeated_lines import MOST_REMEMBERED, RepeatedLines


class Log:
    """A log and a clock in the test's hands."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.repeated = RepeatedLines(timedelta(seconds=60), lambda: self.seconds)

    def write(self, event: str, **fields: Any) -> None:
        self.lines.append({"event": event} | fields)

    def say(self, event: str, about: object, **fields: Any) -> bool:
        return self.repeated.say(self.write, event, about, **fields)


def test_the_first_line_is_written_and_the_others_are_counted() -> None:
    log = Log()
    assert [log.say("dropped", 7, request_id=number) for number in range(4)] == [
        False, True, True, True,
    ]  # fmt: skip
    assert log.lines == [{"event": "dropped", "request_id": 0}]
    assert log.repeated.sum_up() is True
    log.seconds = 60
    assert log.repeated.sum_up() is False
    assert log.lines[1:] == [{"event": "dropped", "request_id": 3, "repeated": 3}]


def test_an_endless_flood_makes_one_line_for_each_interval() -> None:
    log = Log()
    for _ in range(600):
        log.say("dropped", 7)
        log.seconds += 1
    assert len(log.lines) == 10


def test_kinds_and_sellers_have_lines_of_their_own() -> None:
    log = Log()
    for event in ("dropped", "refused"):
        for user_id in (7, 8):
            log.say(event, user_id, user_id=user_id)
            log.say(event, user_id, user_id=user_id)
    assert len(log.lines) == 4


def test_who_came_to_rest_is_forgotten() -> None:
    log = Log()
    log.say("dropped", 7)
    log.seconds = 60
    assert log.say("dropped", 7) is False
    assert log.lines == [{"event": "dropped"}] * 2


def test_memory_and_log_are_bounded_whoever_comes() -> None:
    log = Log()
    for number in range(3 * MOST_REMEMBERED):
        log.say("dropped", number)
    assert len(log.lines) == MOST_REMEMBERED + 1
    log.seconds = 60
    log.repeated.sum_up()
    assert log.lines[-1] == {"event": "dropped", "repeated": 2 * MOST_REMEMBERED - 1}
