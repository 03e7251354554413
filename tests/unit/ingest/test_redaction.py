"""Secrets are masked wherever they occur, and nothing else is masked."""

import base64
import json
import random
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.timing import processor_time
from tracestore.domain.spans import SpanFields, canonical_json
from tracestore.ingest.redaction import Redactor
from tracestore.ingest.secret_names import SECRET_NAMES

# Assembled at run time, so that secret scanners do not report this file.
MIXED = "a1B2c3D4e5"
JWT = ".".join(("eyJ" + MIXED * 2, "eyJ" + MIXED * 4, MIXED * 4))
PEM = "\n".join(("-----BEGIN RSA " + "PRIVATE KEY-----", MIXED * 6, MIXED * 6, "-----END RSA " + "PRIVATE KEY-----"))
BASIC = base64.b64encode(b"user:correct-horse").decode()
HEX = "0123456789abcdef"

SHAPES = {
    "openai_key": [
        "sk-" + MIXED * 4,
        "sk-proj-" + MIXED * 8,
        "sk-svcacct-" + MIXED + "_-" + MIXED,
        "sk-or-v1-" + HEX * 4,
    ],
    "anthropic_key": ["sk-ant-" + "api03-" + MIXED * 8],
    "langfuse_key": ["sk-lf-" + "12345678-90ab-cdef-1234-567890abcdef"],
    "google_key": ["AIza" + "Sy" + MIXED * 3 + "xyz"],
    "google_token": ["ya29." + MIXED * 4],
    "aws_access_key_id": ["AKIA" + "ABCDEFGHIJ234567", "ASIA" + "ABCDEFGHIJ234567"],
    "github_token": [prefix + MIXED * 4 for prefix in ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_")],
    "gitlab_token": ["glpat-" + MIXED * 2],
    "slack_token": ["xoxb-" + "123456789012-" + MIXED, "xoxp-" + "123456789012-" + MIXED],
    "slack_webhook": ["hooks.slack.com" + "/services/T0000/B0000/" + MIXED],
    "stripe_key": [prefix + MIXED * 3 for prefix in ("sk_live_", "rk_live_", "sk_test_", "whsec_")],
    "hugging_face_token": ["hf_" + MIXED * 4],
    "tracestore_key": ["tsk_" + MIXED * 4],
    "jwt": [JWT],
    "private_key": [PEM, PEM.replace("RSA ", ""), PEM.partition("\n-----END")[0]],
}
EVERY_SECRET = [secret for secrets in SHAPES.values() for secret in secrets]

LABELLED = [
    ("Authorization: Bearer " + MIXED, MIXED),
    ("curl -H 'authorization: bearer " + MIXED + "' https://example.com", MIXED),
    ("Authorization: Basic " + BASIC, BASIC),
    ("proxy said basic " + BASIC, BASIC),
    ("X-Api-Key: " + MIXED * 2, MIXED),
    ("-H 'x-api-key: " + MIXED * 2 + "' and more", MIXED),
    ("postgres://admin:hunter2@db.example.com/app", "hunter2"),
    ("redis://:hunter2@cache:6379", "hunter2"),
    ("amqp://u:p@ss@host", "p@ss"),
    ("password=hunter2", "hunter2"),
    ("DB_PASSWORD=ab=cd=hunter2", "hunter2"),
    ("password: x7=hunter2", "hunter2"),
    ("credentials: password=hunter2", "hunter2"),
    ("https://example.com/v1?password=ab=hunter2&q=weather", "hunter2"),
    ("connect(host=db, password=hunter2, port=5432)", "hunter2"),
    ("Server=db;Uid=sa;Password=hunter2;", "hunter2"),
    ("export OPENAI_API_KEY=abc", "abc"),
    ("OPENAI_API_KEY: " + MIXED, MIXED),
    ("db:\n  password: hunter2\n  port: 5", "hunter2"),
    ("https://example.com/v1?api_key=abc&q=weather", "abc"),
    ("https://example.com/v1?q=weather&access_token=abc", "abc"),
    ('client = OpenAI(api_key="abc")', "abc"),
    ("config['client_secret'] = 'abc'", "abc"),
    ('password := "hunter2"', "hunter2"),
    (":password => 'hunter2'", "hunter2"),
    ("{'password': 'hunter2', 'user': 'bob'}", "hunter2"),
    ('{"api_key": "abc"}', "abc"),
    ('{"apiKey":"abc","n":1}', "abc"),
    ('see {"headers": {"X-Api-Key" : "abc"}} above', "abc"),
    (json.dumps({"q": json.dumps({"db_password": 'hun"ter2'})}), "hun"),
    (json.dumps({"q": json.dumps({"q": json.dumps({"secret": 'hun\\"ter2'})})}), "ter2"),
    ('{"set-cookie": ["sid=' + MIXED + '; Path=/"]}', MIXED),
    ("Cookie: session=" + MIXED + "; theme=dark", MIXED),
    ('{"api_key": "cut off in the mid', "cut off"),
    ("aws_secret_access_key = " + "wJalr/XUt+" * 4, "wJalr"),
    ("AWS Secret Access Key: " + "wJalr/XUt+" * 4, "wJalr"),
    ("token=" + MIXED * 3, MIXED),
    ('{"github_token": "' + MIXED * 3 + '"}', MIXED),
    (r"{\"text\": \"line\nsk-" + MIXED * 4 + r"\"}", MIXED),
    (r"\uff1ask-" + MIXED * 4, MIXED),
    ("密钥sk-" + MIXED * 4, MIXED),
]

STAYS = [
    "credentials: region=us-east-1",
    "Please summarise the document in three bullet points.",
    "The token limit is 4096 tokens, and max_tokens=100 was asked for.",
    "input_tokens: 512, output_tokens: 120, token_count=632",
    '{"max_tokens": 100, "input_tokens": 5, "token": "hello"}',
    "token: a unit of text",
    "token=hello",
    "Your password: it must be long and have a digit.",
    "Forgot your password? Reset your password here.",
    "password: required",
    "Password: sha256 hashed",
    "The secret: practice every day.",
    "api_key: str = Field(...)",
    "API key: see the settings page",
    "api_key=settings.openai_api_key",
    'api_key=os.environ["OPENAI_API_KEY"]',
    'password = getpass("Password: ")',
    "password=$DB_PASSWORD and ${DB_PASSWORD} and {password} and <password>",
    "password=None, secret=false, api_key=null",
    'if password == "": raise',
    "password=*****",
    'fetch(url, {credentials: "include"})',
    "task-" + HEX * 2,
    "risk-" + "assessment" * 3,
    "sk-learn-is-a-library-with-a-long-name",
    "The locale sk-SK and the desk-lamp",
    "Bearer authentication is described in RFC6750.",
    "the bearer understands everything",
    "Basic understanding of TypeScript and Basic information",
    "Authorization: required for all routes",
    "a cookie: a small text file",
    "https://example.com:8443/path?mail=a@b.example",
    "https://medium.com/@author/story",
    "mailto:someone@example.com",
    "https://{user}:{password}@host and https://u:${PASSWORD}@host",
    "AKIA is how their ids begin",
    "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----",
    "eyJhbGciOiJIUzI1NiJ9",
    "550e8400-e29b-41d4-a716-446655440000",
    "[redacted:openai_key]",
    "password=[redacted:password]",
    "hf_model_names_are_long_and_have_underscores",
    '{"type": "password", "required": ["password"]}',
    "Das Passwort ist geheim. 秘密のパスワード: 長くする",
]

NAMED = [
    *("api_key", "apikey", "apiKey", "X-Api-Key", "x-goog-api-key", "openai_api_key", "OPENAI_API_KEY", "openaiApiKey"),
    *(
        "authorization",
        "Proxy-Authorization",
        "password",
        "passwd",
        "dbPassword",
        "DB_PASSWORD",
        "secret",
        "clientSecret",
    ),
    *(
        "access_token",
        "accessToken",
        "refresh_token",
        "id_token",
        "session_token",
        "privateKey",
        "aws_secret_access_key",
    ),
    *("cookie", "Set-Cookie", "credentials", "API key"),
]

NAMED_BUT_STAYS: list[tuple[str, Any]] = [
    ("token", "hello"),
    ("token", " antidisestablishmentarianism"),
    ("max_tokens", 4096),
    ("max_tokens", "4096"),
    ("token_count", "12"),
    ("prompt_tokens", 5),
    ("password", None),
    ("password", ""),
    ("password", True),
    ("secret", 12),
    ("secret", [1, 2]),
    ("has_password", "false"),
    ("password", {"type": "string", "description": "The user's password"}),
    ("api_key", {"anyOf": [{"type": "string"}, {"type": "null"}]}),
    ("secret_name", "prod/db"),
    ("passwords", "prose about passwords"),
    ("token", ["hello", "world"]),
    ("monkey", "banana"),
    ("keyboard", "qwerty"),
]


def redact(value: Any, *extra: str) -> Any:
    return Redactor(extra).redact({"span_id": "s", "metadata": value}).get("metadata")


@pytest.mark.parametrize(("name", "secret"), [(name, secret) for name, secrets in SHAPES.items() for secret in secrets])
def test_a_secret_of_known_shape_becomes_a_marker_that_names_it(name: str, secret: str) -> None:
    assert redact(f"use {secret}") == f"use [redacted:{name}]"


@pytest.mark.parametrize(("text", "secret"), LABELLED)
def test_a_labelled_secret_is_removed_from_a_text(text: str, secret: str) -> None:
    redacted = redact(text)
    assert secret not in redacted
    assert "[redacted:" in redacted


@pytest.mark.parametrize("text", STAYS)
def test_sentences_code_and_counts_are_unchanged(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("name", NAMED)
def test_the_value_of_a_secret_name_is_masked_in_any_spelling(name: str) -> None:
    assert redact({"headers": [{name: "abc"}]})["headers"][0][name].startswith("[redacted:")


@pytest.mark.parametrize(("name", "value"), NAMED_BUT_STAYS)
def test_a_name_that_identifies_no_secret_keeps_its_value(name: str, value: Any) -> None:
    assert redact({name: value}) == {name: value}


@pytest.mark.parametrize("value", [["a", "b"], {"user": "bob", "pin": 1}, {"deep": [{"er": "abc"}]}])
def test_a_secret_name_masks_a_whole_list_or_object(value: Any) -> None:
    assert redact({"credentials": value}) == {"credentials": "[redacted:credentials]"}


def test_a_bare_token_is_masked_when_its_value_looks_random() -> None:
    assert redact({"token": MIXED * 3}) == {"token": "[redacted:token]"}


def test_the_text_around_a_masked_value_is_unchanged() -> None:
    text = 'before {"user": "bob", "api_key": "abc", "n": 1} after'
    assert redact(text) == 'before {"user": "bob", "api_key": "[redacted:api_key]", "n": 1} after'


def test_json_in_a_string_is_still_json_after_masking() -> None:
    inner = json.dumps({"password": 'back\\slash and "quote"\\', "next": "kept"})
    redacted = redact(json.dumps({"arguments": inner}))
    assert json.loads(json.loads(redacted)["arguments"]) == {"password": "[redacted:password]", "next": "kept"}


def test_a_secret_used_as_a_key_is_masked() -> None:
    assert redact({EVERY_SECRET[0]: 1}) == {"[redacted:openai_key]": 1}


@pytest.mark.parametrize(
    "field", ["span_name", "error_message", "error_type", "conversation_id", "tool_name", "model_name", "end_user_id"]
)
def test_secrets_are_masked_in_every_text_field(field: str) -> None:
    fields: Any = {"span_id": "s", field: "failed with " + EVERY_SECRET[0]}
    assert Redactor().redact(fields)[field] == "failed with [redacted:openai_key]"  # type: ignore[literal-required]


def test_span_ids_are_stored_as_they_were_sent() -> None:
    fields: SpanFields = {"span_id": EVERY_SECRET[0], "parent_span_id": EVERY_SECRET[0]}
    assert Redactor().redact(fields) is fields


def test_fields_without_secrets_are_returned_as_the_same_object() -> None:
    fields: SpanFields = {"span_id": "s", "input_data": {"text": "password: it must be long", "token": "hello"}}
    assert Redactor().redact(fields) is fields


def test_a_lone_surrogate_hides_no_secret() -> None:
    assert redact("\ud800 " + EVERY_SECRET[0]) == "\ud800 [redacted:openai_key]"


def test_the_whole_match_of_a_deployers_pattern_is_masked() -> None:
    assert redact({"who": ["EMP-1234 (emp-9)"]}, r"(?i)(emp)-\d+") == {"who": ["[redacted:custom] ([redacted:custom])"]}


def test_a_deployers_pattern_does_not_change_markers() -> None:
    once = redact("redacted " + EVERY_SECRET[0], "[a-z]+")
    assert redact(once, "[a-z]+") == once


@pytest.mark.parametrize("pattern", ["(", "a*", "", "x|", "(?=a)|$"])
def test_an_invalid_pattern_is_refused_with_its_number(pattern: str) -> None:
    with pytest.raises(ValueError, match="Redaction pattern 2"):
        Redactor(["fine", pattern])


fragments = st.one_of(
    st.text(max_size=8),
    st.sampled_from([*EVERY_SECRET, *(text for text, _ in LABELLED), *SECRET_NAMES, *STAYS]),
    st.sampled_from(["=", ": ", ' "', '"', '\\"', "\\", "'", "\n", "://", "@", " ", ".", "Bearer ", "[redacted:", "]"]),
)
texts = st.lists(fragments, max_size=6).map("".join)
values = st.recursive(
    st.one_of(texts, st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(texts, st.sampled_from(SECRET_NAMES)), inner, max_size=3),
        inner.map(json.dumps),
    ),
    max_leaves=6,
)


@settings(max_examples=200, deadline=None)
@given(values)
def test_redacting_twice_changes_nothing(value: Any) -> None:
    once = redact(value)
    assert redact(once) == once


@settings(max_examples=200, deadline=None)
@given(values)
def test_the_search_of_the_whole_span_misses_no_secret_of_a_single_value(value: Any) -> None:
    a_pattern_that_never_matches = "(?!)"
    assert redact(value) == redact(value, a_pattern_that_never_matches)


@settings(max_examples=200, deadline=None)
@given(
    secret=st.sampled_from(EVERY_SECRET),
    around=st.tuples(st.text(max_size=5), st.text(max_size=5)),
    wraps=st.lists(
        st.sampled_from(
            [
                lambda inner: {"a": inner, "b": 1},
                lambda inner: ["x", inner],
                lambda inner: json.dumps({"text": inner}),
                lambda inner: json.dumps([inner], ensure_ascii=False, indent=1),
                lambda inner: {json.dumps(inner): 1},
            ]
        ),
        max_size=4,
    ),
    field=st.sampled_from(["input_data", "output_data", "metadata"]),
)
def test_a_secret_is_removed_at_any_nesting(secret: str, around: tuple[str, str], wraps: list[Any], field: str) -> None:
    value: Any = f"{around[0]} {secret} {around[1]}"
    for wrap in wraps:
        value = wrap(value)
    fields: Any = {"span_id": "s", field: value}
    assert secret.rsplit("\n")[-1][-20:] not in canonical_json(Redactor().redact(fields)).decode()


@settings(max_examples=100, deadline=None)
@given(st.sampled_from([name for name in SECRET_NAMES if name != "token"]), st.integers(1, 3), st.text(max_size=12))
def test_the_value_of_a_secret_name_is_removed_from_json_in_strings(name: str, levels: int, text: str) -> None:
    value: Any = {name: text + "hunter2" + text, "kept": "yes"}
    for _ in range(levels):
        value = {"text": json.dumps(value)}
    redacted = canonical_json(redact(value)).decode()
    assert "hunter2" not in redacted
    assert "kept" in redacted


@pytest.mark.parametrize(
    "unit",
    [
        *("a", "\\", '"', "sk-", "eyJ", "password", 'password="', "password=", "api_key: ", "token=", "-----BEGIN "),
        *(
            "://a:",
            "http://",
            "Bearer ",
            "Basic ",
            "cookie: a=",
            '\\"password\\":',
            "secret key ",
            ".",
            "a.",
            "=:",
            "[redacted:",
        ),
        *("-----BEGIN PRIVATE KEY-----", "AKIA", "sk-" + "a" * 40 + " ", "authorization: bearer ", "password='\\"),
    ],
)
def test_a_hostile_megabyte_is_redacted_in_seconds(unit: str) -> None:
    fields: SpanFields = {"span_id": "s", "input_data": unit * (1_000_000 // len(unit))}
    redactor = Redactor()
    redactor.redact({"span_id": "s", "metadata": "password=x"})
    with processor_time() as used:
        redactor.redact(fields)
    assert used.seconds < 3  # measured: 0.6 at most


def test_a_megabyte_without_repetitions_is_redacted_in_a_second() -> None:
    letters = random.Random(1).choices(string.ascii_letters + string.digits + " ", k=1_000_000)
    fields: SpanFields = {"span_id": "s", "input_data": "".join(letters)}
    redactor = Redactor()
    with processor_time() as used:
        assert redactor.redact(fields) is fields
    assert used.seconds < 1  # measured: 0.02; 6 with all rules in one pattern


LETTERS = string.ascii_letters + string.digits + " "
PRINTABLE = LETTERS + ".,;-_/+*#()[]{}<>@%$\n"
SCRIPTS = "".join(map(chr, range(0x4E00, 0x9FFF)))


@pytest.mark.parametrize("characters", [LETTERS, PRINTABLE, SCRIPTS], ids=["letters", "printable", "other scripts"])
def test_text_without_repetitions_is_searched_nearly_as_fast_as_a_repeated_word(characters: str) -> None:
    random_text = "".join(random.Random(1).choices(characters, k=1_000_000))
    assert searched_s(random_text) < 20 * searched_s("hello " * 166_667)  # measured: 6; 65 with one pattern


def searched_s(text: str) -> float:
    """The processor time of redacting a text in spans of 5 KB, the second time."""
    redactor = Redactor()
    spans: list[SpanFields] = [
        {"span_id": "s", "input_data": text[start : start + 5_000]} for start in range(0, len(text), 5_000)
    ]
    for _ in range(2):
        with processor_time() as used:
            assert all(redactor.redact(fields) is fields for fields in spans)
    return used.seconds


def test_one_secret_in_a_prompt_of_many_messages_takes_no_examination_of_all() -> None:
    part = {"type": "tool_call_response", "id": "call_1", "response": "The train leaves at noon. " * 8}
    messages: list[Any] = [{"role": "tool", "parts": [part]}] * 2_000
    secret: Any = {"role": "user", "parts": [{"type": "text", "content": "password=hunter2"}]}
    assert redacted_s([*messages, secret]) < 6 * redacted_s(messages)  # measured: 2.4; 11 with all examined


def redacted_s(messages: list[Any]) -> float:
    """The shortest processor time of redacting a span with these messages, of three."""
    times = []
    for _ in range(3):
        redactor = Redactor()
        with processor_time() as used:
            redactor.redact({"span_id": "s", "input_data": messages})
        times.append(used.seconds)
    return min(times)
