"""Annotations in requests: defaults, limits, and secrets that must not be stored."""

from typing import Any

import pytest

from tracestore.domain.annotations import Annotation
from tracestore.domain.errors import Invalid
from tracestore.ingest.annotations import parse_annotation
from tracestore.ingest.redaction import Redactor

SECRET = "sk-ant-api03-abcdefghijklmnopqrstuvwxyz"


def parsed(body: Any, name: str = "quality", redactor: Redactor | None = None) -> Annotation:
    return parse_annotation(name, body, default_source="api", redactor=redactor or Redactor())


def test_the_id_is_the_source_by_default() -> None:
    assert parsed({"value": 0.5}) == Annotation("quality", "api", 0.5, "api")
    assert parsed({"value": 0.5, "source": "judge"}) == Annotation("quality", "judge", 0.5, "judge")
    whole = {"id": "7", "value": "good", "source": "judge", "span_id": "a:1", "comment": "Why?"}
    assert parsed(whole) == Annotation("quality", "7", "good", "judge", "a:1", "Why?")


def test_an_annotation_can_be_sent_back_as_it_was_read() -> None:
    by_server = ("trace_id", "name", "created_at", "updated_at", "expires_at", "is_waiting")
    assert parsed({"value": True, "comment": None, "span_id": None, **dict.fromkeys(by_server, "x")}).value is True


@pytest.mark.parametrize("value", [0, 1, -1, True, False, 0.1, 10**15, -(10**15), "x", "x" * 512, "true", "👋"])
def test_a_value_keeps_its_type(value: Any) -> None:
    stored = parsed({"value": value}).value
    assert (stored, type(stored)) == (value, type(value))


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "value"),
        *(({"value": bad}, "value") for bad in (None, "", "x" * 513, 10**15 + 1, -1e300, [1], {"a": 1})),
        *(({"value": 1, "id": bad}, "id") for bad in ("", "x" * 129, 1)),
        *(({"value": 1, "source": bad}, "source") for bad in ("", "x" * 129, True)),
        *(({"value": 1, "span_id": bad}, "span_id") for bad in ("", "#", "a" * 129)),
        *(({"value": 1, "comment": bad}, "comment") for bad in ("x" * 4_097, "é" * 2_049, "\n" * 2_049, 1)),
        ({"value": 1, "colour": "red"}, "colour"),
    ],
)
def test_an_invalid_field_is_named_and_its_value_is_not_repeated(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed(body)
    assert [detail.field for detail in refused.value.details] == [field]
    assert "xxx" not in refused.value.message
    assert "red" not in refused.value.message.split()


@pytest.mark.parametrize("body", [[], "x", 1, None])
def test_a_body_is_an_object(body: Any) -> None:
    with pytest.raises(Invalid):
        parsed(body)


@pytest.mark.parametrize("name", ["", "a:b", "a b", ".a", "é", "a" * 65, "a>", "a\n"])
def test_an_invalid_name_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed({"value": 1}, name)
    assert [detail.field for detail in refused.value.details] == ["name"]


def test_the_longest_comment_is_accepted_and_an_empty_one_is_absent() -> None:
    assert len(parsed({"value": 1, "comment": "x" * 4_096}).comment or "") == 4_096
    assert parsed({"value": 1, "comment": ""}).comment is None


def test_secrets_are_masked_in_the_value_and_in_the_comment() -> None:
    annotation = parsed({"value": f"key {SECRET}", "comment": f"saw {SECRET}, password=hunter2hunter2"})
    assert annotation.value == "key [redacted:anthropic_key]"
    assert annotation.comment == "saw [redacted:anthropic_key], password=[redacted:password]"
    assert parsed({"value": "hunter2"}, "password").value == "[redacted:password]"
    assert parsed({"value": 7}, "password").value == 7
    assert parsed({"value": "code 1234"}, redactor=Redactor(["[0-9]{4}"])).value == "code [redacted:custom]"


@pytest.mark.parametrize(("body", "field"), [({"source": SECRET}, "source"), ({"id": SECRET}, "id")])
def test_a_secret_that_would_identify_an_annotation_is_refused(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as refused:
        parsed({"value": 1, "source": "x", **body})
    assert field in [detail.field for detail in refused.value.details]
    assert SECRET not in refused.value.message


def test_a_name_that_is_a_secret_is_refused() -> None:
    with pytest.raises(Invalid):
        parsed({"value": 1}, SECRET)
