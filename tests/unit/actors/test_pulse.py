"""Hanging is counted in looks, not in seconds."""

from actors.pulse import Pulse, PulseWatch


def test_an_actor_that_stays_in_one_message_hangs() -> None:
    watch, pulse = PulseWatch(3), Pulse(message_number=1, busy=True)
    assert [watch.hangs(pulse) for _ in range(4)] == [False, False, False, True]


def test_an_actor_that_goes_on_does_not_hang() -> None:
    watch, pulse = PulseWatch(2), Pulse(busy=True)
    for number in range(20):
        pulse.message_number = number
        assert not watch.hangs(pulse)


def test_an_idle_actor_does_not_hang() -> None:
    watch, pulse = PulseWatch(1), Pulse(message_number=1)
    assert not any(watch.hangs(pulse) for _ in range(10))
