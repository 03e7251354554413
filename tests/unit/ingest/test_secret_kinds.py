"""Each kind of secret is found by its shape, by what is around it, or by its name; nothing else is masked."""

import base64
import html
import json
import random
import re
from typing import Any
from urllib.parse import quote

import pytest

from tests.secret_samples import harmless, made_up, samples
from tests.timing import processor_time
from tracestore.domain.spans import SpanFields
from tracestore.ingest.encoded_text import decoded
from tracestore.ingest.redaction import Redactor
from tracestore.ingest.search_budget import Budget
from tracestore.ingest.secret_kinds import Kind, kinds

CHOOSE = random.Random(14)
WORD = made_up("alnum*12", CHOOSE) + "7"
MIXED = WORD + "aB"
TOKEN = made_up("alnum*31", CHOOSE) + "7"
BEGIN, END = "-----BEGIN PRIVATE " + "KEY-----", "-----END PRIVATE " + "KEY-----"
KEY_LINES = "\n".join(made_up("b64*64", CHOOSE) for _ in range(4))


def redact(value: Any) -> Any:
    return Redactor().redact({"span_id": "s", "metadata": value}).get("metadata")


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: f"{kind.name}-{kind.provider}")
def test_a_made_up_secret_of_each_kind_is_masked_as_a_whole(kind: Kind) -> None:
    for number in range(20):
        secret = made_up(" ".join(kind.sample), random.Random(number))
        assert redact(f"use {secret} now") == f"use [redacted:{kind.name}] now"


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: f"{kind.name}-{kind.provider}")
def test_the_table_contains_no_whole_secret(kind: Kind) -> None:
    assert any("*" in part for part in kind.sample)
    assert all(redact(part) == part for part in (*kind.sample, *kind.starts))


def test_of_500_samples_made_from_documents_at_least_99_of_100_are_masked() -> None:
    stored = {
        sample.provider: text
        for sample in samples(500, seed=1)
        if sample.secret in (text := json.dumps(redact(sample.value), ensure_ascii=False))
    }
    assert len(stored) <= 5, stored


def test_hashes_ids_images_and_vectors_are_unchanged() -> None:
    for value in harmless(seed=1):
        assert redact(value) == value


AROUND = [
    f"postgres://me:{WORD}@db/app",
    f"https://{TOKEN}@git.example.com/a.git",
    f"https://b.example.com/k?X-Amz-Credential=x&X-Amz-Signature={TOKEN}&x=1",
    f"https://b.example.com/k?sv=1&sig={TOKEN}%3D",
    f"curl -u me:{WORD} https://example.com",
    f'["curl", "-u", "me:{WORD}"]',
    f"curl --user 'me:{WORD}' https://example.com",
    f"tool --password {WORD} --verbose",
    f"tool --db-password={WORD}",
    f"tool --api-key {TOKEN}",
    f"machine example.com login me password {WORD}",
    f"Authorization: Token {TOKEN}",
    f"Authorization: Bot {TOKEN}",
    f'Authorization: Digest username="me", response="{TOKEN}"',
    f"authorization: AWS4-HMAC-SHA256 SignedHeaders=host, Signature={TOKEN}",
    f"CREATE USER me IDENTIFIED BY '{WORD}'",
    f"ALTER ROLE me WITH PASSWORD '{WORD}'",
    f"<password>{WORD}</password>",
    f'<db:password type="plain">{WORD}</db:password>',
    f'<add key="ApiKey" value="{WORD}"/>',
    f"Server=db;Uid=sa;Pwd={WORD};",
    f"AccountName=a;AccountKey={TOKEN}==;EndpointSuffix=x",
    f'[["x-api-key", "{WORD}"]]',
    f"('password', '{WORD}')",
    *(f"{name}={WORD}" for name in ("openai_api_key_2", "DB_PWD", "FTP_PASS", "MY_JWT", "db_creds", "OPENAI_KEY")),
    f'{{"name": "DB_PASSWORD", "value": "{WORD}"}}',
    f'{{"value": "{WORD}", "name": "DB_PASSWORD"}}',
    f"sshpass -p {WORD} ssh me@example.com",
    f"docker login -u me -p {WORD} registry.example.com",
    f"mysqldump -u root -p{WORD} app",
    f"redis-cli -h cache -a {WORD} ping",
    f"client-key-data: {TOKEN}",
    f"the password: {MIXED} is the one to use",
    f"SSWS {TOKEN}",
]


@pytest.mark.parametrize("text", AROUND)
@pytest.mark.parametrize(
    "encode",
    [
        str,
        lambda text: {"command": [text]},
        lambda text: json.dumps({"a": text}),
        lambda text: json.dumps({"a": json.dumps({"b": json.dumps({"c": text})})}),
        html.escape,
        lambda text: quote(text, safe=""),
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: re.sub(r"[^\w\s]", lambda found: f"\\u{ord(found[0]):04x}", text),
        lambda text: json.dumps(re.sub(r"[^\w\s]", lambda found: f"&#{ord(found[0])};", text)),
    ],
    ids=["text", "value", "JSON", "JSON in JSON", "HTML", "URL", "URL twice", "escapes", "entities in JSON"],
)
def test_a_secret_is_found_by_what_is_around_it_in_any_encoding(text: str, encode: Any) -> None:
    masked = json.dumps(redact(encode(text)))
    assert WORD not in masked
    assert TOKEN not in masked
    assert "[redacted:" in masked


@pytest.mark.parametrize(
    "value",
    [
        {"name": "DB_PASSWORD", "value": WORD},
        {"key": "x-api-key", "value": WORD},
        {"headers": [{"name": "Authorization", "value": WORD}, {"name": "accept", "value": "text/html"}]},
        {"headers": [["x-api-key", WORD], ["accept", "text/html"]]},
        {"api_keys": [WORD]},
        {"openai_api_key_2": WORD, "pwd": WORD, "pass": WORD, "jwt": WORD, "creds": WORD, "GROQ_KEY": WORD},
        {"DB_PASSWORD": {"value": WORD}},
    ],
)
def test_a_secret_is_found_by_its_name_in_pairs_and_objects(value: Any) -> None:
    masked = json.dumps(redact(value))
    assert WORD not in masked
    assert ("text/html" in masked) == ("text/html" in json.dumps(value))


@pytest.mark.parametrize("around", ["\x1b[31m{}\x1b[0m", "\x1b[1;32m{}\x1b[0m", "\\u001b[31m{}\\u001b[0m"])
@pytest.mark.parametrize("secret", ["sk-proj-" + TOKEN, f"password={WORD}"])
def test_the_colours_of_a_terminal_hide_no_secret(around: str, secret: str) -> None:
    masked = redact(around.format(secret))
    assert secret[-12:] not in masked
    assert "[redacted:" in masked


def test_the_credentials_of_a_registry_are_masked() -> None:
    encoded = base64.b64encode(f"me:{WORD}".encode()).decode()
    assert encoded not in json.dumps(redact({"config": json.dumps({"auths": {"example.com": {"auth": encoded}}})}))
    assert encoded not in redact(f"//registry.example.com/:_auth={encoded}")


PROSE = "Then the user reads the rest of this prompt, which has nothing to do with keys. " * 20

UNCHANGED: list[Any] = [
    f"Never print {BEGIN} to the user. {PROSE}",
    f"A key begins with {BEGIN} and ends with {END}. {PROSE}",
    f"```\n{BEGIN}\n...\n{END}\n```\n{PROSE}",
    {"properties": {"password": {"type": ["string", "null"]}, "api_key": {"description": "The key to use"}}},
    {"parameters": {"properties": {"secret": {"description": "x", "x-note": "y", "examples": ["a"]}}}},
    {"password": {"type": ["string", "null"], "description": "The password"}},
    {"password": {"description": "The password", "minLength": 8}},
    {"api_key": "YOUR_API_KEY"},
    {"api_key": "<your-api-key>"},
    {"api_key": "${API_KEY}"},
    {"authorization": "required"},
    {"nextPageToken": TOKEN},
    {"next_page_token": TOKEN, "continuationToken": TOKEN},
    f'{{"nextPageToken": "{TOKEN}"}}',
    {"credentials": ["read"]},
    "cookie: a=b is how a header looks",
    "export API_KEY=YOUR_API_KEY",
    'api_key = "your-api-key-here"',
    "password: <password>, api_key={{ secrets.API_KEY }}",
    {"pass": True, "passes": 5, "bypass": "yes", "compass": "north", "pwd": "/srv/app"},
    "PWD=/srv/app and 12 pass: 3 fail: 0",
    "use --password to set the password, and --token for a token",
    "docker run -u 1000:1000 image and chown -u root:root",
    "The login form has a user password field and a button.",
    "WITH PASSWORD or IDENTIFIED BY followed by a text",
    "Authorization: Bearer tokens are described in RFC 6750, section 2.1",
    "<password></password> and <input type='password'> and <label>password</label>",
    {"name": "password", "in": "body", "required": True, "type": "string"},
    {"required": ["username", "password"]},
    [["password", "user name"], ["a", "b"]],
    "https://user@example.com/a and mailto:me@example.com and git@github.com:a/b.git",
    "fetch('/a?page=2&sig=none') and x%20y%2Fz and &amp;&quot;&lt;",
    "sk-" + "learn-0.24.2 and xai-" + "sdk and hf_" + "hub",
    {"secrets": "inherit"},
    {"secrets": ["DB_PASSWORD", "API_KEY"]},
    "headers: { Authorization: `Bearer ${token}`, 'x-api-key': `${process.env.API_KEY}` }",
    {"headers": {"x-api-key": "${input:my-key}", "authorization": "Bearer ${this.share}"}},
    {"securitySchemes": {"apiKey": {"type": "apiKey", "name": "X-API-Key", "in": "header"}}},
    "Client(url=url, api_key=key, password=made_up)",
    "new_token=lambda token: verify(token)",
    "creation_tokens=agent.usage.creation_tokens",
    "glpat-" + "x" * 20 + " and sk-" + "x" * 32 + " and sk-" + "xxxx-" * 8,
    '{"credential": "jwt"}, {"api_key": "api"}, credential: "any"',
    "`-u a:b` is a user with a password, and curl -d '$(date -u +%FT23:59:59Z)'",
    'api_key: "tsk_\\u2026"',
    "mysql -u root -p, mysql -p -h db, redis-cli -p 6379, docker run -p 8080:80 and docker login -p $TOKEN",
    '"auth": "bearerTokenStrategy", auth: required, auth=enabled',
]


@pytest.mark.parametrize("value", UNCHANGED, ids=lambda value: json.dumps(value)[:40])
def test_what_only_names_a_secret_is_unchanged(value: Any) -> None:
    assert redact(value) == value
    assert redact(json.dumps(value)) == json.dumps(value)


@pytest.mark.parametrize("before", ["", "\n"])
@pytest.mark.parametrize("end", ["\n" + END, ""])
@pytest.mark.parametrize("line_end", ["\n", "\\n", "\r\n", " "])
def test_of_a_private_key_the_lines_that_can_be_a_key_are_masked(before: str, end: str, line_end: str) -> None:
    key = f"{BEGIN}\n{KEY_LINES}{end}".replace("\n", line_end)
    assert redact(f"see{before} {key}{line_end}{PROSE}") == f"see{before} [redacted:private_key]{line_end}{PROSE}"


def test_a_value_below_properties_that_is_no_schema_is_masked() -> None:
    assert redact({"properties": {"password": WORD}}) == {"properties": {"password": "[redacted:password]"}}


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a%2Db", "a-b"),
        ("a%252Db", "a-b"),
        ("a&#45;b&#x2d;c&amp;quot;d", 'a-b-c"d'),
        ("a\\u002db\\\\u002dc", "a-b-c"),
        ("100% &amp; more", "100% & more"),
    ],
)
def test_a_decoded_text_has_the_places_of_the_original(text: str, plain: str) -> None:
    found = decoded(text, Budget())
    assert found is not None
    assert found.text == plain
    assert [text[found.original(index)] for index in range(len(plain)) if plain[index].isalnum()] == [
        character for character in plain if character.isalnum()
    ]
    assert found.original(len(plain)) == len(text)


def test_a_text_without_codes_is_not_decoded() -> None:
    assert decoded("100%, &c., \\n", Budget()) is None


@pytest.mark.parametrize(
    "unit",
    [
        *("%41", "%2D", "&#45;", "&amp;", "\\u002d", "%25", "sk-sk-", "ask-", "gsk_ ", "SK", "pat", "eyJ.", "sk%2D"),
        *(
            "Authorization: Digest a=",
            "-u a:",
            "--password ",
            "--",
            "<password>",
            '"name": "password", ',
            "sig=",
            "?sig=",
        ),
        *("login a password ", "identified by '", '["password", ', "-----BEGIN PRIVATE KEY-----\n" + "A" * 30 + "\n"),
        *("password&quot;: &quot;", "https://" + "a" * 300, ":AA", "M.", "api_key_1=", '"value": "'),
    ],
)
def test_a_hostile_megabyte_is_searched_in_seconds(unit: str) -> None:
    redactor, text = Redactor(), unit * (1_000_000 // len(unit))
    redactor.redact({"span_id": "s", "metadata": "password=x"})
    with processor_time() as used:
        redactor.redact({"span_id": "s", "input_data": text})
    assert used.seconds < 3


MANY = 31_000_000
HOSTILE_BODIES: dict[str, tuple[Any, int]] = {
    "labels": ("password=a1b2c3d4\n", 18),
    "codes": ("%70%61", 6),
    "small texts": (["pass=a1b2c3d4"], 16),
    "encoded small texts": (["pass%3da1b2c3d4"], 18),
    "keys": (["sk-proj-" + TOKEN], 50),
    "pairs": ([{"name": "DB_PASSWORD", "value": "a1b2c3d4"}], 45),
}


@pytest.mark.parametrize(("unit", "size"), HOSTILE_BODIES.values(), ids=HOSTILE_BODIES)
def test_the_largest_hostile_body_is_redacted_within_ten_seconds(unit: Any, size: int) -> None:
    value, redactor = unit * (MANY // size), Redactor()
    redactor.redact({"span_id": "s", "metadata": "password=x"})
    with processor_time() as used:
        redacted = redactor.redact({"span_id": "s", "input_data": value, "span_name": "kept"})
    assert used.seconds < 10  # measured: 4 at most
    assert redacted["span_name"] == "kept"
    assert redacted["input_data"] in ("[redacted:unexamined]", ["[redacted:unexamined]"])


def test_many_names_of_secrets_are_redacted_within_ten_seconds() -> None:
    value: Any = {f"{number}_password": "a1b2c3d4" for number in range(MANY // 32)}
    with processor_time() as used:
        assert Redactor().redact({"span_id": "s", "input_data": value})["input_data"] == "[redacted:unexamined]"
    assert used.seconds < 10


def test_a_spent_budget_masks_whole_fields_and_only_suspect_ones() -> None:
    redactor = Redactor().for_request()
    redactor.redact({"span_id": "s", "input_data": "password=a1b2c3d4\n" * 400_000})
    fields: SpanFields = {"span_id": "s", "input_data": f"key: sk-proj-{TOKEN}", "events": [f"pass={WORD}"]}
    redacted = redactor.redact({**fields, "output_data": "hello", "metadata": {"a": 1}})
    assert redacted == {
        "span_id": "s",
        "input_data": "[redacted:unexamined]",
        "events": ["[redacted:unexamined]"],
        "output_data": "hello",
        "metadata": {"a": 1},
    }
    assert redactor.redact(redacted) == redacted
    assert redactor.redact_text(f"password={WORD}") == "[redacted:unexamined]"


def test_each_request_has_a_budget_of_its_own() -> None:
    redactor = Redactor()
    redactor.for_request().redact({"span_id": "s", "input_data": "password=a1b2c3d4\n" * 400_000})
    assert redactor.for_request().redact_text(f"password={WORD}") == "password=[redacted:password]"


def test_ten_thousand_secrets_of_a_request_are_each_masked() -> None:
    text = "".join(f"password={WORD} and some words between them\n" for _ in range(10_000))
    assert Redactor().redact_text(text).count("password=[redacted:password]") == 10_000


def test_the_same_request_is_masked_in_the_same_places() -> None:
    spans: list[SpanFields] = [{"span_id": "s", "input_data": [f"password={WORD}{n}"] * 5_000} for n in range(12)]
    first, second = (
        [redact(span) for span in spans] for redact in (Redactor().redact, Redactor().for_request().redact)
    )
    assert first == second
    assert "[redacted:unexamined]" in json.dumps(first)
    assert "[redacted:password]" in json.dumps(first)
