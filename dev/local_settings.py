"""The settings of a local server: the template's parameters, as the options of a command set them.

The functions read them as they would in a deployment with the same parameters. This module only collects and checks
them, so that a server does not start with settings that its functions would refuse.
"""

from collections.abc import Mapping

from dev.template import Template
from tracestore.domain.errors import Invalid
from tracestore.http.jwt_verifier import MIN_SECRET_BYTES
from tracestore.http.settings import settings_from
from tracestore.ingest.price_overlay import parse_overlay


class InvalidSettings(Exception):
    """The functions would not accept the settings. The message is a sentence with the remedy."""


def parameters_of(options: Mapping[str, object], template: Template) -> dict[str, str]:
    """The template's parameters among the options of a command: the option `jwt_issuer` sets `JwtIssuer`.

    *absent*: an option that is None or an empty list leaves the default of the template.
    """
    parameters = {}
    for option, value in options.items():
        name = "".join(word.capitalize() for word in option.split("_"))
        if name in template.body["Parameters"] and value is not None and value not in ([], ()):
            parameters[name] = ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return parameters


def check(parameters: Mapping[str, str], environment: Mapping[str, str]) -> None:
    """Check the functions' environment that follows from `parameters`. *raises*: InvalidSettings."""
    identity = {"JwtIssuer", "JwtAudience", "JwksUrl"} & parameters.keys()
    if identity and not {"JwtIssuer", "JwtAudience"} <= identity:
        raise InvalidSettings("To accept the tokens of an identity provider, give both --issuer and --audience.")
    if "OidcClientId" in parameters and "JwtIssuer" not in parameters:
        raise InvalidSettings("To sign in with an identity provider, give --issuer and --audience as well.")
    if len(environment["JWT_SECRET"].encode()) < MIN_SECRET_BYTES:
        raise InvalidSettings(f"The secret of HS256 tokens must have at least {MIN_SECRET_BYTES} bytes.")
    try:
        parse_overlay(settings_from(environment).prices)
    except ValueError as error:
        raise InvalidSettings(str(error)) from error
    except Invalid as error:
        details = "".join(f" {detail.field}: {detail.message}" for detail in error.details)
        raise InvalidSettings(f"--price-overlay is invalid. {error.message}{details}") from error
