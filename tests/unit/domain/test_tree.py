"""A tree contains every span exactly once and in reading order, whatever the parent ids are."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, fields, spans_of
from tests.timing import processor_time
from tracestore.domain.spans import SpanFields
from tracestore.domain.tree import Node, tree_order

ids = st.integers(0, 7).map(str)


def shape(*reported: SpanFields) -> list[tuple[str, int]]:
    """The ids in the order of the tree, with their depths."""
    return [(span.span_id, depth) for span, depth in tree_order(spans_of(*reported))]


def child(span_id: str, parent: str | None, start: int = 0) -> SpanFields:
    """A span under another."""
    return fields(span_id, parent_span_id=parent, start_ns=START_NS + start)


@given(st.dictionaries(ids, st.tuples(st.one_of(st.none(), ids, st.just("absent")), st.integers(0, 3)), min_size=1))
@settings(max_examples=250, deadline=None)
def test_every_span_is_in_the_tree_once_and_after_its_parent(parents: dict[str, tuple[str | None, int]]) -> None:
    nodes = tree_order(spans_of(*[child(span_id, *parent) for span_id, parent in parents.items()]))
    assert sorted(node.span.span_id for node in nodes) == sorted(parents)
    path: list[Node] = []
    for node in nodes:
        del path[node.depth :]
        assert len(path) == node.depth
        if path:
            assert node.span.parent_span_id == path[-1].span.span_id
        path.append(node)


@given(st.dictionaries(ids, st.tuples(st.one_of(st.none(), ids), st.integers(0, 3)), min_size=1))
@settings(max_examples=200, deadline=None)
def test_only_orphans_and_the_earliest_span_of_a_cycle_become_roots(
    parents: dict[str, tuple[str | None, int]],
) -> None:
    nodes = tree_order(spans_of(*[child(span_id, *parent) for span_id, parent in parents.items()]))
    for root in (node.span for node in nodes if node.depth == 0):
        ancestors = [root.span_id]
        while (parent := parents[ancestors[-1]][0]) is not None and parent in parents and parent not in ancestors:
            ancestors.append(parent)
        if parent is not None and parent in parents:
            assert parent == root.span_id, "a span with a parent is a root without being in a cycle"
            assert root.order == min((START_NS + parents[span_id][1], span_id) for span_id in ancestors)


def test_children_follow_their_parent_in_order_of_start() -> None:
    spans = [child("root", None), child("b", "root", 2), child("a", "root", 3), child("c", "b", 9)]
    assert shape(*spans) == [("root", 0), ("b", 1), ("c", 2), ("a", 1)]


def test_of_steps_in_the_same_millisecond_the_shorter_is_the_earlier_and_a_pending_one_the_last() -> None:
    ends = {"d": START_NS, "b": START_NS + 5, "c": START_NS + 900, "a": None}
    spans = [fields(span_id, parent_span_id="root", end_ns=end_ns) for span_id, end_ns in ends.items()]
    assert shape(fields("root"), *spans) == [("root", 0), *((span_id, 1) for span_id in ends)]


def test_an_orphan_is_a_root() -> None:
    assert shape(child("root", None), child("a", "lost", 1)) == [("root", 0), ("a", 0)]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert shape(child("a", "a"), child("b", "a", 1)) == [("a", 0), ("b", 1)]


def test_a_cycle_begins_at_its_earliest_span() -> None:
    spans = [child("a", "b", 5), child("b", "c", 1), child("c", "a", 3), child("d", "c", 4)]
    assert shape(*spans) == [("b", 0), ("a", 1), ("c", 2), ("d", 3)]


def test_a_child_that_started_before_its_parent_stays_its_child() -> None:
    assert shape(child("root", None, 5), child("a", "root", 1)) == [("root", 0), ("a", 1)]


def test_a_chain_of_1000_is_1000_deep() -> None:
    spans = [child(f"{n:04}", f"{n - 1:04}" if n else None) for n in range(1000)]
    assert [depth for _, depth in shape(*spans)] == list(range(1000))


@pytest.mark.parametrize("kind", ["flat", "deep", "cycle", "orphans"])
def test_10000_spans_are_ordered_in_less_than_a_second(kind: str) -> None:
    parents = {
        "flat": ["0"] * 10_000,
        "deep": [f"{n - 1}" for n in range(10_000)],
        "cycle": [f"{(n - 1) % 10_000}" for n in range(10_000)],
        "orphans": [f"lost{n}" for n in range(10_000)],
    }
    spans = spans_of(*[child(f"{n}", parent) for n, parent in enumerate(parents[kind])])
    with processor_time() as used:
        assert len(tree_order(spans)) == 10_000
    assert used.seconds < 1
