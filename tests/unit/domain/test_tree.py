"""A tree shows every span exactly once, whatever their parents say, and in reading order."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import START_NS, fields, spans_of
from tracestore.domain.spans import SpanFields
from tracestore.domain.tree import Node, tree_order

ids = st.integers(0, 7).map(str)


def shape(*told: SpanFields) -> list[tuple[str, int]]:
    """The ids in the order of the tree, with their depths."""
    return [(span.span_id, depth) for span, depth in tree_order(spans_of(*told))]


def child(span_id: str, parent: str | None, start: int = 0) -> SpanFields:
    """A span under another."""
    return fields(span_id, parent_span_id=parent, start_ns=START_NS + start)


@given(st.dictionaries(ids, st.tuples(st.one_of(st.none(), ids, st.just("absent")), st.integers(0, 3)), min_size=1))
@settings(max_examples=250, deadline=None)
def test_every_span_is_there_once_and_behind_its_parent(parents: dict[str, tuple[str | None, int]]) -> None:
    nodes = tree_order(spans_of(*[child(span_id, *told) for span_id, told in parents.items()]))
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
def test_only_orphans_and_the_first_of_a_circle_become_roots(parents: dict[str, tuple[str | None, int]]) -> None:
    nodes = tree_order(spans_of(*[child(span_id, *told) for span_id, told in parents.items()]))
    for root in (node.span for node in nodes if node.depth == 0):
        above = [root.span_id]
        while (parent := parents[above[-1]][0]) is not None and parent in parents and parent not in above:
            above.append(parent)
        if parent is not None and parent in parents:
            assert parent == root.span_id, "in no circle, and yet a root"
            assert root.order == min((START_NS + parents[span_id][1], span_id) for span_id in above)


def test_children_come_under_their_parent_by_start() -> None:
    told = [child("root", None), child("b", "root", 2), child("a", "root", 3), child("c", "b", 9)]
    assert shape(*told) == [("root", 0), ("b", 1), ("c", 2), ("a", 1)]


def test_an_orphan_is_a_root() -> None:
    assert shape(child("root", None), child("a", "lost", 1)) == [("root", 0), ("a", 0)]


def test_a_span_that_is_its_own_parent_is_a_root() -> None:
    assert shape(child("a", "a"), child("b", "a", 1)) == [("a", 0), ("b", 1)]


def test_a_circle_begins_at_its_earliest_span() -> None:
    told = [child("a", "b", 5), child("b", "c", 1), child("c", "a", 3), child("d", "c", 4)]
    assert shape(*told) == [("b", 0), ("a", 1), ("c", 2), ("d", 3)]


def test_a_child_that_started_before_its_parent_stays_its_child() -> None:
    assert shape(child("root", None, 5), child("a", "root", 1)) == [("root", 0), ("a", 1)]


def test_a_chain_of_1000_is_1000_deep() -> None:
    told = [child(f"{n:04}", f"{n - 1:04}" if n else None) for n in range(1000)]
    assert [depth for _, depth in shape(*told)] == list(range(1000))


@pytest.mark.parametrize("kind", ["flat", "deep", "circle", "orphans"])
def test_10000_spans_are_put_in_order_in_less_than_a_second(kind: str) -> None:
    parents = {
        "flat": ["0"] * 10_000,
        "deep": [f"{n - 1}" for n in range(10_000)],
        "circle": [f"{(n - 1) % 10_000}" for n in range(10_000)],
        "orphans": [f"lost{n}" for n in range(10_000)],
    }
    told = [child(f"{n}", parent) for n, parent in enumerate(parents[kind])]
    spans = spans_of(*told)
    began = time.process_time()
    assert len(tree_order(spans)) == 10_000
    assert time.process_time() - began < 1
