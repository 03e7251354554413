"""The annotations of a trace and the copy in its head agree, whatever the order of writers, deletions and crashes.

Most tests run on a table in memory, where a seed decides the order of concurrent writers; some run on every engine.
"""

import random
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.builders import (
    DAY_S,
    Clock,
    Endpoint,
    batches_of,
    call,
    reader,
    store_on,
    stored_items,
    stored_spans,
    stored_summary,
    trace_ids,
    writer,
)
from tests.crashing import Crash, CrashingAtWrite
from tests.gateway import new_user
from tests.integration.test_store_races import SEEDS, Act, capturing, deleting, race, turns
from tests.memory_dynamodb import MemoryDynamoDB
from tracestore.domain.annotations import (
    NO_ANNOTATIONS,
    Annotation,
    AnnotationValue,
    LabelFilter,
    ScoreFilter,
    summarize_annotations,
)
from tracestore.domain.errors import Conflict, NotFound
from tracestore.storage import keys
from tracestore.storage.annotations import ANNOTATIONS_MOST, WAITING_MOST, WAITING_S
from tracestore.storage.model import DeletionScope, Head, Placeholder
from tracestore.storage.store import Store

Stored = dict[tuple[str | None, str, str], AnnotationValue]
"""The values of annotations by span, name and id."""


@pytest.fixture
def memory() -> MemoryDynamoDB:
    """A table in memory whose Queries end after three items."""
    return MemoryDynamoDB(page_items=3)


def note(name: str = "quality", value: AnnotationValue = 0.5, source: str = "judge", **fields: Any) -> Annotation:
    """An annotation whose id is its source."""
    return Annotation(name, fields.pop("annotation_id", source), value, source, **fields)


def stored_annotations(store: Store, user: str) -> Stored:
    """The annotations as a reader sees them; the copy in the head must be theirs."""
    annotations, head = reader(store, user).annotations("t")
    if isinstance(head, Head):
        assert replace(head.summary.annotations, score_groups=()) == summarize_annotations(annotations)
    return {(each.span_id, each.name, each.annotation_id): each.value for each in annotations}


def annotation_keys(store: Store, user: str) -> list[str]:
    """The sort keys of the stored annotations."""
    return [sk for sk in stored_items(store, user) if sk.startswith(keys.ANNOTATIONS_FROM)]


def annotating(user: str, *annotations: Annotation) -> Act:
    """A writer that stores these annotations, as far as the trace accepts them."""

    def act(store: Store) -> None:
        for annotation in annotations:
            with suppress(Conflict):
                writer(store, user).annotate("t", annotation)

    return act


def removing(user: str, name: str, **chosen: str) -> Act:
    """A writer that deletes the annotations of a name."""

    def act(store: Store) -> None:
        with suppress(NotFound):
            writer(store, user).delete_annotations("t", name, **chosen)

    return act


def test_an_annotation_changes_neither_the_trace_nor_its_time(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root", output_data="x" * 300), call("a", "root")]))
    before, spans = reader(store, user).trace("t", payloads=True)
    clock.advance(s=60)
    writer(store, user).annotate("t", note())
    after, spans_after = reader(store, user).trace("t", payloads=True)
    assert spans_after == spans
    assert (after.updated_ms, after.created_ms, after.version) == (
        before.updated_ms,
        before.created_ms,
        before.version + 1,
    )
    assert after.inline_segment == before.inline_segment
    assert after.summary.stats == before.summary.stats
    annotations = summarize_annotations(reader(store, user).annotations("t")[0])
    assert replace(after.summary.annotations, score_groups=()) == annotations


def test_two_scorers_stand_side_by_side_and_the_same_again_replaces(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root")]))
    for value, source in ((0.5, "judge"), (1, "eve"), (0.7, "judge")):
        writer(store, user).annotate("t", note(value=value, source=source))
    assert stored_annotations(store, user) == {(None, "quality", "judge"): 0.7, (None, "quality", "eve"): 1}
    assert dict(stored_summary(store, user).annotations.scores)["quality"] == (0.85, 2)


def test_a_repeated_annotation_changes_no_stored_item(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root")]))
    first, _ = writer(store, user).annotate("t", note(comment="Why?"))
    before = stored_items(store, user)
    clock.advance(s=60)
    again, _ = writer(store, user).annotate("t", note(comment="Why?"))
    assert (again, stored_items(store, user)) == (first, before)


@pytest.mark.parametrize("change", [{"value": 1.0}, {"value": True}, {"comment": "new"}, {"source": "x"}])
def test_any_other_content_is_stored_and_moves_its_time(engine: Endpoint, change: dict[str, Any]) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root")]))
    first, _ = writer(store, user).annotate("t", note(value=1, annotation_id="id"))
    clock.advance(s=60)
    writer(store, user).annotate("t", note(**{"value": 1, "annotation_id": "id", **change}))
    ((stored,), _) = reader(store, user).annotations("t")
    assert (stored.created_ms, stored.updated_ms) == (first.created_ms, first.created_ms + 60_000)
    assert repr(stored.value) == repr(change.get("value", 1))


def test_an_annotation_waits_a_day_for_its_trace_and_then_lives_as_long_as_it(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    _, head = writer(store, user).annotate("t", note())
    assert isinstance(head, Placeholder)
    assert trace_ids(store, user) == []
    with pytest.raises(NotFound):
        reader(store, user).trace("t", payloads=False)
    clock.advance(s=WAITING_S - 1)
    root = call("root", output_data="x" * 3000)
    writer(store_on(engine, clock), user).capture(batches_of([root]))  # a process that has not written this trace
    assert trace_ids(store, user) == ["t"]
    assert set(stored_spans(store, user)) == {"root"}
    clock.advance(s=10 * DAY_S)
    writer(store, user).capture(batches_of([call("a", "root")]))
    assert stored_annotations(store, user) == {(None, "quality", "judge"): 0.5}
    assert stored_summary(store, user).annotations.count == 1


def test_an_annotation_that_waited_too_long_is_gone(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).annotate("t", note())
    clock.advance(s=WAITING_S)
    with pytest.raises(NotFound):
        reader(store, user).annotations("t")
    writer(store, user).capture(batches_of([call("root")]))
    assert stored_annotations(store, user) == {}


def test_an_annotation_expires_with_its_trace(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock, retention_s=DAY_S)
    writer(store, user).capture(batches_of([call("root")]))
    clock.advance(s=DAY_S - 10)
    writer(store, user).annotate("t", note())
    ((_, item),) = [(sk, item) for sk, item in stored_items(store, user).items() if sk.startswith("N#")]
    assert int(item["expires_at"]["N"]) >= Clock().ms // 1000 + DAY_S
    clock.advance(s=10)
    with pytest.raises(NotFound):
        reader(store, user).annotations("t")
    writer(store, user).annotate("t", note("star", value=True))  # before the trace begins anew
    writer(store, user).capture(batches_of([call("root")]))
    assert stored_annotations(store, user) == {(None, "star", "judge"): True}


def test_annotations_are_deleted_with_their_span_and_with_their_trace(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root"), call("a", "root")]))
    for span_id in (None, "root", "a"):
        writer(store, user).annotate("t", note(span_id=span_id))
    writer(store, user).delete_span("t", "a")
    assert stored_annotations(store, user) == {(None, "quality", "judge"): 0.5, ("root", "quality", "judge"): 0.5}
    assert len(annotation_keys(store, user)) == 2
    with pytest.raises(Conflict) as refused:
        writer(store, user).annotate("t", note(span_id="a"))
    assert refused.value.code == "span_deleted"
    writer(store, user).delete_trace("t")
    assert list(stored_items(store, user)) == [keys.HEAD]
    with pytest.raises(Conflict) as refused:
        writer(store, user).annotate("t", note())
    assert refused.value.code == "trace_deleted"
    assert list(stored_items(store, user)) == [keys.HEAD]


def test_a_pending_deletion_hides_annotations_and_its_job_removes_them(engine: Endpoint) -> None:
    clock, user = Clock(), new_user().name
    store = store_on(engine, clock)
    writer(store, user).capture(batches_of([call("root")]))
    writer(store, user).annotate("t", note())
    clock.advance(ms=1)
    job = writer(store, user).start_deletion(DeletionScope())
    for act in (reader(store, user).annotations, lambda _: writer(store, user).delete_annotations("t", "quality")):
        with pytest.raises(NotFound):
            act("t")
    with pytest.raises(Conflict) as refused:
        writer(store, user).annotate("t", note())
    assert refused.value.code == "trace_deleted"
    assert writer(store, user).continue_deletion(job.job_id, 10).traces == 1
    assert annotation_keys(store, user) == []


def test_annotations_of_a_trace_without_spans_come_back_with_its_next_span(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("root")]))
    writer(store, user).annotate("t", note())
    writer(store, user).delete_span("t", "root")
    writer(store, user).annotate("t", note("star", value=True))
    assert trace_ids(store, user) == []
    writer(store, user).capture(batches_of([call("b")]))
    assert stored_annotations(store, user) == {(None, "quality", "judge"): 0.5, (None, "star", "judge"): True}


@pytest.mark.parametrize(
    ("chosen", "left"),
    [
        ({}, []),
        ({"source": "judge"}, [(None, "eve"), (None, "2")]),
        ({"annotation_id": "2"}, [(None, "eve"), (None, "judge"), ("root", "judge")]),
        ({"span_id": "root", "source": "judge"}, [(None, "2"), (None, "eve"), (None, "judge")]),
    ],
)
def test_a_deletion_chooses_by_all_values_given(
    engine: Endpoint, chosen: dict[str, str], left: list[tuple[str | None, str]]
) -> None:
    store, user = store_on(engine), new_user().name
    writer(store, user).capture(batches_of([call("root")]))
    for annotation in (
        note(),
        note(source="eve"),
        note(span_id="root"),
        note(source="eve", annotation_id="2"),
        note("other"),
    ):
        writer(store, user).annotate("t", annotation)
    assert writer(store, user).delete_annotations("t", "quality", **chosen) == 4 - len(left)
    stored = stored_annotations(store, user)
    assert {(span, name) for span, name in {(span, each) for span, name, each in stored if name == "quality"}} == {
        *left
    }
    assert (None, "other", "judge") in stored
    with pytest.raises(NotFound):
        writer(store, user).delete_annotations("t", "quality", annotation_id="nobody")


def test_waiting_annotations_can_be_read_replaced_and_deleted(engine: Endpoint) -> None:
    store, user = store_on(engine), new_user().name
    for annotation in (note(), note(value=1), note("star", value=True)):
        writer(store, user).annotate("t", annotation)
    assert stored_annotations(store, user) == {(None, "quality", "judge"): 1, (None, "star", "judge"): True}
    assert writer(store, user).delete_annotations("t", "star") == 1
    writer(store, user).capture(batches_of([call("root")]))
    assert stored_annotations(store, user) == {(None, "quality", "judge"): 1}


def test_the_number_of_annotations_is_limited(memory: MemoryDynamoDB) -> None:
    store, user = store_on(memory), new_user().name
    for most in (WAITING_MOST, ANNOTATIONS_MOST):
        for number in range(len(annotation_keys(store, user)), most):
            writer(store, user).annotate("t", note(f"n{number}", source="x" * 128))
        with pytest.raises(Conflict) as refused:
            writer(store, user).annotate("t", note("one more"))
        assert refused.value.code == "too_many_annotations"
        writer(store, user).annotate("t", note("n0", value=1, source="x" * 128))
        writer(store, user).capture(batches_of([call("root")]))
    assert len(stored_annotations(store, user)) == ANNOTATIONS_MOST


def test_a_filter_reads_the_annotations_that_the_head_could_not_store(memory: MemoryDynamoDB) -> None:
    store, user = store_on(memory), new_user().name
    writer(store, user).capture(batches_of([call("root")]))
    for number in range(60):
        writer(store, user).annotate("t", note(f"n{number}", value=float(number)))
        writer(store, user).annotate("t", note("label", value=f"{number}" * 50, source=str(number)))
    assert stored_summary(store, user).annotations.is_cut
    assert len(stored_items(store, user)[keys.HEAD]["head"]["B"]) < 4_000
    for value, ids in ((59.0, ["t"]), (58.0, [])):
        assert trace_ids(store, user, annotations=[ScoreFilter("n59", "=", value)]) == ids
    for label, ids in (("59" * 50, ["t"]), ("60" * 50, [])):
        assert trace_ids(store, user, annotations=[LabelFilter("label", label)]) == ids


@pytest.mark.parametrize("seed", SEEDS)
def test_concurrent_annotations_and_captures_lose_nothing(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(4)
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(spans[:1]))
    captures, _ = capturing(user, [spans[1]], [call("root", message_id="r")], [spans[2]])
    race(
        memory,
        seed,
        (store, captures),
        (store_on(memory, clock), annotating(user, note("a"), note("b", span_id="s0"), note("a", value=1))),
        (store_on(memory, clock), annotating(user, note("a", source="eve", value=0), note("c", value="x"))),
        (store_on(memory, clock), removing(user, "b")),
    )
    fresh = store_on(memory, clock)
    stored = stored_annotations(fresh, user)
    assert {**stored, ("s0", "b", "judge"): 0.5} == {
        (None, "a", "judge"): 1,
        (None, "a", "eve"): 0,
        (None, "c", "judge"): "x",
        ("s0", "b", "judge"): 0.5,
    }
    assert set(stored_spans(fresh, user)) == {"s0", "s1", "s2", "root"}
    assert stored_summary(fresh, user).annotations.count == len(stored) == len(annotation_keys(fresh, user))


@pytest.mark.parametrize("seed", SEEDS)
def test_annotations_that_race_with_the_first_span_are_in_the_head(memory: MemoryDynamoDB, seed: int) -> None:
    """Before and after the full hour that names a generation."""
    user, clock = new_user().name, Clock(ms=Clock().ms // 3_600_000 * 3_600_000 - 1)
    stores = [store_on(memory, Clock(clock.ms + number % 2)) for number in range(4)]
    root = call("root", output_data=random.Random(seed).randbytes(3000).hex(), message_id="r")
    acts = [
        capturing(user, [root])[0],
        annotating(user, note("a"), note("b", value="x")),
        annotating(user, note("a", value=1, source="eve")),
        capturing(user, [call("child", "root")])[0],
    ]
    race(memory, seed, *zip(stores, acts, strict=True))
    fresh = store_on(memory, clock)
    assert stored_annotations(fresh, user) == {
        (None, "a", "judge"): 0.5,
        (None, "a", "eve"): 1,
        (None, "b", "judge"): "x",
    }
    assert stored_summary(fresh, user).annotations.count == 3
    assert all("g" in item for sk, item in stored_items(fresh, user).items() if sk.startswith("N#"))
    clock.advance(s=2 * WAITING_S)
    assert len(stored_annotations(fresh, user)) == 3


def test_an_annotation_that_is_replaced_during_a_deletion_is_deleted() -> None:
    """Of its trace, and of its span."""
    for seed in range(400):
        memory, user, clock = MemoryDynamoDB(), new_user().name, Clock()
        store = store_on(memory, clock)
        writer(store, user).capture(batches_of([call("root"), call("a", "root")]))
        writer(store, user).annotate("t", note(span_id="a"))
        deleter = deleting(user, "a") if seed % 2 else deleting(user)
        changer = annotating(user, note(value=1, span_id="a"))
        race(memory, seed, (store, changer), (store_on(memory, clock), deleter))
        assert annotation_keys(store, user) == [], seed


def test_a_capture_that_read_a_placeholder_misses_no_annotation() -> None:
    """One annotation is retried while another one, and then the first span, put the head."""
    for seed in range(400):
        memory, user, clock = MemoryDynamoDB(), new_user().name, Clock()
        acts = [annotating(user, note(f"n{number}")) for number in range(3)]
        race(memory, seed, *((store_on(memory, clock), act) for act in (*acts, capturing(user, [call("root")])[0])))
        assert len(stored_annotations(store_on(memory, clock), user)) == 3, seed
        assert stored_summary(store_on(memory, clock), user).annotations.count == 3, seed


@pytest.mark.parametrize("seed", SEEDS)
def test_concurrent_annotations_of_one_id_agree_with_the_head(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock = new_user().name, Clock()
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of([call("root")]))
    acts = [annotating(user, note(value=number), note(value=number + 10)) for number in range(3)]
    race(memory, seed, *((store_on(memory, clock), act) for act in acts))
    assert stored_annotations(store, user)[None, "quality", "judge"] in (10, 11, 12)


@pytest.mark.parametrize("seed", SEEDS)
def test_annotations_during_deletions_leave_nothing_of_what_was_deleted(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock, spans = new_user().name, Clock(), turns(3)
    store = store_on(memory, clock)
    writer(store, user).capture(batches_of(spans))
    acts = [
        annotating(user, note(span_id="s1"), note(), note("b", span_id="s1")),
        deleting(user, "s1"),
        annotating(user, note("b", span_id="s2", source="eve")),
    ]
    race(memory, seed, *((store_on(memory, clock), act) for act in acts))
    assert set(stored_annotations(store, user)) == {(None, "quality", "judge"), ("s2", "b", "eve")}
    writer(store, user).capture(batches_of([call("late", "root")]))  # a crash may leave a copy to the next writer
    assert not [sk for sk in annotation_keys(store, user) if "#s1#" in sk]
    changes = annotating(user, note("c"), note(value=1), note("b", span_id="s2", source="eve", value=1))
    race(memory, seed, (store, changes), (store_on(memory, clock), deleting(user)))
    assert list(stored_items(store, user)) == [keys.HEAD]


@pytest.mark.parametrize("seed", SEEDS)
def test_two_annotations_at_the_limit_do_not_exceed_it(memory: MemoryDynamoDB, seed: int) -> None:
    user, clock = new_user().name, Clock()
    store = store_on(memory, clock)
    for number in range(WAITING_MOST - 1):
        writer(store, user).annotate("t", note(f"n{number}"))
    race(memory, seed, *((store_on(memory, clock), annotating(user, note(f"m{number}"))) for number in range(3)))
    assert len(annotation_keys(store, user)) <= WAITING_MOST


def test_after_a_crash_at_any_write_the_same_request_completes_it() -> None:
    for writes in range(5):
        db, user, clock = MemoryDynamoDB(), new_user().name, Clock()
        with suppress(Crash):
            writer(store_on(db, clock, db=CrashingAtWrite(db, writes)), user).annotate("t", note())
        writer(store_on(db, clock), user).annotate("t", note())
        with suppress(Crash):
            writer(store_on(db, clock, db=CrashingAtWrite(db, writes)), user).capture(batches_of([call("root")]))
        writer(store_on(db, clock), user).capture(batches_of([call("root")]))
        assert stored_annotations(store_on(db, clock), user) == {(None, "quality", "judge"): 0.5}
        with suppress(Crash):
            writer(store_on(db, clock, db=CrashingAtWrite(db, writes)), user).annotate("t", note(value=1))
        writer(store_on(db, clock), user).annotate("t", note(value=1))
        assert stored_annotations(store_on(db, clock), user) == {(None, "quality", "judge"): 1}
        with suppress(Crash):
            writer(store_on(db, clock, db=CrashingAtWrite(db, writes)), user).delete_annotations("t", "quality")
        with suppress(NotFound):
            writer(store_on(db, clock), user).delete_annotations("t", "quality")
        assert stored_annotations(store_on(db, clock), user) == {}
        assert stored_summary(store_on(db, clock), user).annotations == NO_ANNOTATIONS


def test_a_repeated_deletion_is_not_undone_by_a_process_that_remembers_the_trace() -> None:
    db, user, clock = MemoryDynamoDB(), new_user().name, Clock()
    remembering = store_on(db, clock)
    writer(remembering, user).annotate("t", note())
    for span_id in ("root", "a", "b"):
        writer(remembering, user).capture(batches_of([call(span_id, None if span_id == "root" else "root")]))
    with suppress(Crash):
        writer(store_on(db, clock, db=CrashingAtWrite(db, 1)), user).delete_annotations("t", "quality")
    with pytest.raises(NotFound):
        writer(store_on(db, clock), user).delete_annotations("t", "quality")
    writer(remembering, user).capture(batches_of([call("next", "root")]))
    assert stored_annotations(store_on(db, clock), user) == {}


def test_a_deletion_of_an_annotation_that_never_was_writes_nothing() -> None:
    db, user = MemoryDynamoDB(), new_user().name
    store = store_on(db)
    with pytest.raises(NotFound):
        writer(store, user).delete_annotations("t", "quality")
    assert stored_items(store, user) == {}
    writer(store, user).annotate("t", note())
    writer(store, user).capture(batches_of([call("root")]))
    before = stored_items(store, user)
    with pytest.raises(NotFound):
        writer(store, user).delete_annotations("t", "speed")
    assert stored_items(store, user) == before


steps = st.lists(
    st.one_of(
        st.tuples(st.just("annotate"), st.sampled_from(["a", "b"]), st.sampled_from([0, 1.5, True, "x"])),
        st.tuples(st.just("remove"), st.sampled_from(["a", "b"]), st.none()),
        st.tuples(st.just("capture"), st.sampled_from(["root", "s1", "s2"]), st.none()),
        st.tuples(st.just("wait"), st.none(), st.sampled_from([1, 3600])),
    ),
    max_size=12,
)


@given(steps, st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_any_history_gives_the_last_value_of_each_annotation(
    history: list[tuple[str, Any, Any]], random: random.Random
) -> None:
    db, clock, user = MemoryDynamoDB(page_items=3), Clock(), new_user().name
    expected: Stored = {}
    spans = set()
    for kind, name, value in history:
        store = store_on(db, clock)
        if kind == "annotate":
            span_id = random.choice([None, "s1"])
            writer(store, user).annotate("t", note(name, value, span_id=span_id))
            expected[span_id, name, "judge"] = value
        elif kind == "remove":
            with suppress(NotFound):
                writer(store, user).delete_annotations("t", name)
            expected = {key: each for key, each in expected.items() if key[1] != name}
        elif kind == "capture":
            writer(store, user).capture(batches_of([call(name, None if name == "root" else "root")]))
            spans.add(name)
        else:
            clock.advance(s=value)
    if not spans:
        return
    store = store_on(db, clock)
    assert repr(sorted(stored_annotations(store, user).items(), key=repr)) == repr(sorted(expected.items(), key=repr))
    summary = stored_summary(store, user)
    assert summary.span_count == len(spans)
    assert summary.annotations.count == len(expected)
