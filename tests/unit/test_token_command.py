"""Tokens of `tracestore token`, which the local server accepts."""

from pathlib import Path

import jwt
import pytest
from typer.testing import CliRunner

from tracestore_cli import tokens
from tracestore_cli.main import app


def test_a_local_token_lists_the_teams_that_it_was_made_for(tmp_path: Path) -> None:
    command = ["token", "--user", "ada", "--data-dir", str(tmp_path)]
    for options, teams in (([], None), (["--team", "search", "--team", "ads"], ["search", "ads"])):
        printed = CliRunner().invoke(app, [*command, *options]).stdout.strip()
        claims = jwt.decode(printed, tokens.local_secret(tmp_path), ["HS256"], audience=tokens.AUDIENCE)
        assert (claims["sub"], claims.get(tokens.TEAMS_CLAIM)) == ("ada", teams)


def test_a_team_without_a_name_is_refused(tmp_path: Path) -> None:
    ended = CliRunner().invoke(app, ["token", "--user", "ada", "--team", "", "--data-dir", str(tmp_path)])
    assert ended.exit_code == 2
    assert "--team" in ended.stderr


@pytest.mark.parametrize(
    ("command", "parameter"),
    [
        (["token", "--user", ""], "--user"),
        (["key", "list", "--table", "t", "--user", ""], "--user"),
        (["key", "revoke", "--table", "t", "--user", "", "k"], "--user"),
        (["audit", "--table", "t", "--user", ""], "--user"),
        (["prune", "--table", "t", "--before", "2026-01-01", "--user", ""], "--user"),
        (["deletions", "--table", "t", "--user", ""], "--user"),
        (["forget", "--table", "t", ""], "user"),
    ],
)
def test_an_empty_user_is_refused_before_anything_is_read(command: list[str], parameter: str) -> None:
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 2
    assert f"'{parameter}': must not be empty" in ended.stderr
