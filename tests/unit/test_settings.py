"""The environment variables: read into settings, or refused by name."""

import pytest

from tracestore.http.settings import Settings, settings_from


def test_only_the_table_name_is_required() -> None:
    assert settings_from({"TABLE_NAME": "t"}) == Settings(table_name="t")


def test_an_empty_variable_counts_as_absent() -> None:
    empty = dict.fromkeys(("RETENTION_DAYS", "JWT_ISSUER", "JWT_OWNER_CLAIM", "JWKS_URL", "REDACTION_PATTERNS"), "")
    assert settings_from({"TABLE_NAME": "t", **empty}) == Settings(table_name="t")


def test_the_keys_default_to_the_well_known_address_of_the_issuer() -> None:
    configured = settings_from({"TABLE_NAME": "t", "JWT_ISSUER": "https://id.example/pool/"})
    assert configured.jwks_url == "https://id.example/pool/.well-known/jwks.json"


def test_an_issuer_that_is_not_an_address_has_no_keys() -> None:
    assert settings_from({"TABLE_NAME": "t", "JWT_ISSUER": "tracestore-local"}).jwks_url is None


def test_there_are_no_teams_unless_a_claim_is_named() -> None:
    assert settings_from({"TABLE_NAME": "t", "JWT_TEAMS_CLAIM": " "}).jwt_teams_claim is None
    assert settings_from({"TABLE_NAME": "t", "JWT_TEAMS_CLAIM": "cognito:groups"}).jwt_teams_claim == "cognito:groups"


def test_patterns_are_a_json_list() -> None:
    configured = settings_from({"TABLE_NAME": "t", "REDACTION_PATTERNS": '["acme-[0-9]+", "x"]'})
    assert configured.redaction_patterns == ("acme-[0-9]+", "x")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TABLE_NAME", ""),
        ("RETENTION_DAYS", "0"),
        ("RETENTION_DAYS", "soon"),
        ("RETENTION_DAYS", "١"),
        ("TIME_SHARDS", "-1"),
        ("TIME_SHARDS", "1.5"),
        ("MAX_TRACE_SPANS", "100001"),
        ("JWKS_URL", "http://id.example/keys"),
        ("JWKS_URL", "file:///etc/passwd"),
        ("JWKS_URL", "https://"),
        ("OIDC_TOKEN", "refresh"),
        ("OIDC_CONNECT_ORIGINS", "http://id.example"),
        ("OIDC_CONNECT_ORIGINS", "https://id.example/path"),
        ("OIDC_CONNECT_ORIGINS", "https://id.example; script-src *"),
        ("OIDC_CONNECT_ORIGINS", "*"),
        ("REDACTION_PATTERNS", "acme"),
        ("REDACTION_PATTERNS", '{"a": 1}'),
        ("REDACTION_PATTERNS", "[1]"),
        ("REDACTION_PATTERNS", '["("]'),
    ],
)
def test_an_invalid_variable_is_named(name: str, value: str) -> None:
    with pytest.raises(ValueError, match=name):
        settings_from({"TABLE_NAME": "t", name: value})


def test_origins_of_the_provider_are_a_list() -> None:
    configured = settings_from(
        {"TABLE_NAME": "t", "OIDC_CONNECT_ORIGINS": " https://a.example,http://localhost:9000 ,"}
    )
    assert configured.oidc_connect_origins == ("https://a.example", "http://localhost:9000")
