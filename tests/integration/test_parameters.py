"""The secret of HS256 tokens, kept in SSM."""

from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tracestore.storage.parameters import secret_parameter


@pytest.fixture(autouse=True)
def aws(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with mock_aws():
        yield


def test_a_secret_is_returned_decrypted() -> None:
    boto3.client("ssm").put_parameter(Name="/app/jwt", Value="a secret", Type="SecureString")
    assert secret_parameter("/app/jwt") == "a secret"
