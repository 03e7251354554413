"""`tracestore audit` where there is nothing to compare: it ends with a sentence and an exit code."""

import pytest
from typer.testing import CliRunner, Result

from tracestore_cli.main import app

AWS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_DEFAULT_REGION": "us-east-1"}


def audited(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["audit", "--user", "ada", "--table", "t", *arguments], env=AWS)


def test_an_unreachable_store_is_reported_in_one_line() -> None:
    ended = audited("--dynamodb", "http://127.0.0.1:9")
    assert ended.exit_code == 1
    assert ended.stderr.startswith("DynamoDB is throttled or out of reach")


@pytest.mark.parametrize(("name", "value"), [("--dynamodb", "nowhere"), ("--days", "60")])
def test_a_wrong_option_is_named(name: str, value: str) -> None:
    ended = audited(*(("--dynamodb", "http://127.0.0.1:9") if name != "--dynamodb" else ()), name, value)
    assert ended.exit_code == 2
    assert f"Invalid value for {name}" in ended.stderr
