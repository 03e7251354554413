"""Secrets that the deployer stores in SSM Parameter Store. Read seldom, by functions that need one."""

from functools import cache
from typing import Any

from .dynamo import translated


def secret_parameter(name: str) -> str:
    """The value of the SecureString `name`, decrypted.

    *raises*: `Unavailable` when SSM cannot answer now.
    """
    from .dynamo_boto3 import renamed

    with translated(), renamed():
        answer = _client().get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


@cache
def _client() -> Any:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("ssm", config=config)
