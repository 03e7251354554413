"""The options of `tracestore dev` set the template's parameters, and invalid ones are refused with the remedy."""

import re
from typing import Any

import pytest
import typer.main

from dev import commands
from dev.functions import local_environment
from dev.local_settings import InvalidSettings, check, parameters_of
from dev.template import ROOT, Template
from tracestore.http.settings import settings_from
from tracestore_cli import tokens

SECRET = "a shared secret that is only good in tests"
ISSUER = {"jwt_issuer": "https://issuer.example/", "jwt_audience": "app"}


def environment_of(options: dict[str, Any], secret: str = SECRET) -> dict[str, str]:
    """The checked environment of the functions."""
    parameters = parameters_of(options, Template())
    environment = local_environment(Template(parameters=parameters), "http://127.0.0.1:1", secret)
    check(parameters, environment)
    return environment


def test_options_become_the_settings_of_a_deployment_with_the_same_parameters() -> None:
    options = {
        **ISSUER,
        "jwks_url": "http://localhost:9000/keys",
        "jwt_owner_claim": "email",
        "jwt_teams_claim": "cognito:groups",
        "retention_days": 7,
        "prices": '{"acme": {"input": 1}}',
    }
    settings = settings_from(environment_of(options))
    assert (settings.jwt_issuer, settings.jwt_audience) == ("https://issuer.example/", "app")
    assert (settings.jwks_url, settings.jwt_owner_claim) == ("http://localhost:9000/keys", "email")
    assert settings.jwt_teams_claim == "cognito:groups"
    assert (settings.retention_days, settings.prices) == (7, '{"acme": {"input": 1}}')


def test_options_that_are_not_given_leave_the_defaults_of_the_template() -> None:
    given: dict[str, Any] = {
        "jwt_issuer": None,
        "cors_origins": [],
        "oidc_connect_origins": (),
        "retention_days": None,
        "port": 8000,
        "jwt_secret": "x",
    }
    assert parameters_of(given, Template()) == {}
    settings = settings_from(environment_of(given))
    assert (settings.jwt_issuer, settings.jwt_audience) == (tokens.ISSUER, tokens.AUDIENCE)
    assert settings.retention_days == 30


def test_repeated_origins_become_one_list() -> None:
    parameters = parameters_of({"cors_origins": ["https://a.example", "http://localhost:3000"]}, Template())
    assert Template(parameters=parameters).cors.origins == ("https://a.example", "http://localhost:3000")


def test_each_option_that_sets_a_parameter_is_documented_with_it() -> None:
    options = {
        option.opts[0]: [*parameters_of({str(option.name): "x"}, Template())]
        for option in typer.main.get_command(commands.app).commands["dev"].params  # type: ignore[attr-defined]
        if getattr(option, "rich_help_panel", None) == "Parameters of the deployment"
    }
    text = (ROOT / "docs" / "deploy.md").read_text().split("## On your machine\n", 1)[1]
    documented = re.findall(r"^\| `(--[a-z-]+)` \| `(\w+)`", text, re.MULTILINE)
    assert options == {option: [parameter] for option, parameter in documented}


@pytest.mark.parametrize(
    ("options", "secret", "remedy"),
    [
        ({"jwt_issuer": "https://issuer.example"}, SECRET, "--audience"),
        ({"jwt_audience": "app"}, SECRET, "--issuer"),
        ({"jwks_url": "https://issuer.example/keys"}, SECRET, "--issuer"),
        ({**ISSUER, "jwks_url": "http://issuer.example/keys"}, SECRET, "https://"),
        ({"oidc_client_id": "page"}, SECRET, "--issuer"),
        ({**ISSUER, "oidc_token": "refresh"}, SECRET, "OIDC_TOKEN must be access or id"),
        (ISSUER, "short", "32 bytes"),
        ({"prices": "{"}, SECRET, "--price-overlay is invalid. The prices are not valid JSON"),
        ({"prices": '{"acme": {"inputs": 1}}'}, SECRET, "prices.acme.inputs: This is not a known price"),
    ],
)
def test_settings_that_the_functions_would_refuse_are_refused_before(
    options: dict[str, Any], secret: str, remedy: str
) -> None:
    with pytest.raises(InvalidSettings, match=remedy):
        environment_of(options, secret)
