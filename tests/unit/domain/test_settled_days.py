"""Which days are settled: never one that has changed since it was."""

from hypothesis import given
from hypothesis import strategies as st

from tracestore.domain.settled_days import RANGES_MOST, ChangedDays, SettledDays

TODAY = 20_000
AGES = st.integers(1, 60)


@given(st.lists(st.tuples(st.sampled_from(["change", "settle", "day"]), AGES, st.sets(AGES, max_size=3)), max_size=40))
def test_no_day_is_settled_that_changed_after_it_was_copied(history: list[tuple[str, int, set[int]]]) -> None:
    """Days are due 26 hours after their last change."""
    hour, today, days = 24 * TODAY, TODAY, SettledDays().opened(TODAY, 24 * TODAY)
    changed_at = dict.fromkeys(range(TODAY - 100, TODAY), hour)
    copied: set[int] = set()
    for step, age, busy in history:
        hour += 5
        match step:
            case "change":
                days = days.changed_on([today - age], hour)
                changed_at[today - age] = hour
                copied.discard(today - age)
            case "settle":
                due = days.due(hour - 26, {today - age for age in busy})
                if due is not None:
                    first, last = due
                    for day in range(max(first, TODAY - 100), last + 1):
                        assert changed_at[day] < hour - 26
                        assert today - day not in busy
                        copied.add(day)
                    days = days.settled(first, last)
            case "day":
                hour += 24
                changed_at |= dict.fromkeys(range(today, hour // 24), hour)
                today = hour // 24
                days = days.opened(today, hour)
        assert {day for day in changed_at if day in days} <= copied
        assert today not in days
        assert len(days.changed) <= RANGES_MOST


def test_days_become_settled_one_after_the_other_from_the_newest() -> None:
    days = SettledDays().opened(10, 240)
    assert days.due(240, ()) is None
    assert days.due(241, ()) == (0, 9)
    days = days.settled(9, 9)
    assert (9 in days, 8 in days, 10 in days) == (True, False, False)
    assert days.due(241, ()) == (0, 8)
    assert days.due(241, [5, 8]) == (6, 7)
    days = days.changed_on([7, 9, 11], 300)
    assert days.changed == ((0, 8, 240), (7, 7, 300), (9, 9, 300))
    assert days.due(241, ()) == (8, 8)
    assert days.settled(8, 8).due(241, ()) == (0, 6)
    assert days.due(301, ()) == (9, 9)
    assert days.settled(0, 9) == SettledDays(10)


def test_a_day_that_changes_again_is_one_range() -> None:
    days = SettledDays(10).changed_on([3], 240).changed_on([3], 250)
    assert days.changed == (ChangedDays(3, 3, 250),)


def test_days_that_ended_while_nothing_was_counted_have_changed() -> None:
    days = SettledDays(10).opened(13, 312)
    assert (days.changed, days.open_from) == ((ChangedDays(10, 12, 312),), 13)
    assert days.opened(13, 320) is days


def test_many_changed_days_are_few_ranges_that_contain_days_between() -> None:
    days = SettledDays(1_000).changed_on(range(0, 40, 4), 24_000).changed_on([500, 502], 24_001)
    assert len(days.changed) == RANGES_MOST
    assert not any(day in days for day in (*range(0, 40, 4), 500, 502))
    assert 600 in days
