"""The two kinds of windows by themselves: a release that moves, a restart, and the usage stored."""

from datetime import UTC, datetime, timedelta

from runtime.rate_limits.counted_window import BUCKETS, CountedWindow
from runtime.rate_limits.limits import Limit
from runtime.rate_limits.paced_window import MARGIN, PacedWindow

NOW = datetime(2026, 1, 9, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DAY = timedelta(days=1)
WIDTH = DAY / BUCKETS


def counted(*released: datetime, count: int = 2) -> CountedWindow:
    window = CountedWindow(Limit(count, DAY))
    for when in released:
        window.release(when)
    return window


def paced(*released: datetime, count: int = 2) -> PacedWindow:
    window = PacedWindow(Limit(count, SECOND))
    for when in released:
        window.release(when)
    return window


class TestCounted:
    def test_a_release_that_leaves_in_its_own_bucket_changes_nothing(self) -> None:
        window = counted(NOW)
        window.left(NOW, NOW + WIDTH / 2)
        assert list(window.changed()) == [(NOW, 1)]

    def test_the_release_that_moves_is_the_one_that_was_counted_then(self) -> None:
        window = counted(NOW, NOW + WIDTH)
        window.left(NOW + WIDTH, NOW + 2 * WIDTH)
        assert sorted(window.changed()) == [(NOW, 1), (NOW + WIDTH, 0), (NOW + 2 * WIDTH, 1)]

    def test_a_release_that_slid_out_of_the_window_does_not_move(self) -> None:
        window = counted(NOW)
        later = NOW + 2 * DAY
        assert window.free_at(later) == later
        window.left(NOW, later)
        assert window.idle_at() is None

    def test_usage_is_added_to_the_bucket_that_is_there(self) -> None:
        window = counted(NOW)
        window.restore(NOW, 1)
        assert window.free_at(NOW) == NOW + WIDTH + DAY
        assert list(window.changed()) == [(NOW, 2)]

    def test_only_the_buckets_that_grew_are_named_again(self) -> None:
        window = counted(NOW, NOW + WIDTH, count=5)
        list(window.changed())
        window.was_released(NOW, 1)
        assert list(window.changed()) == [(NOW, 2)]

    def test_the_share_of_others_is_remembered_until_it_is_gone(self) -> None:
        window = counted(NOW)
        window.remaining(0, 0, NOW + SECOND)
        assert window.idle_at() == NOW + WIDTH + DAY
        assert counted().idle_at() is None
        others = counted()
        others.remaining(0, 0, NOW)
        assert others.idle_at() == NOW + DAY


class TestPaced:
    def test_a_release_that_is_not_remembered_any_more_does_not_move(self) -> None:
        window = paced(NOW, NOW + SECOND, NOW + 2 * SECOND)
        window.left(NOW, NOW + 3 * SECOND)
        assert window.idle_at() == NOW + 2 * SECOND + SECOND * MARGIN

    def test_the_same_limit_announced_again_forgets_no_release(self) -> None:
        window = paced(NOW, NOW + SECOND / 2)
        window.change(Limit(2, SECOND))
        assert window.free_at(NOW + SECOND / 2) == NOW + SECOND * MARGIN
