"""Secrets that the deployer stores in SSM Parameter Store. Read seldom, by functions that need one."""

from functools import cache

from .dynamo import Client, translated


def secret_parameter(name: str) -> str:
    """The value of the SecureString `name`, decrypted.

    *raises*: `Unavailable` when SSM cannot answer now.
    """
    with translated():
        answer = _client().get_parameter(Name=name, WithDecryption=True)
    return str(answer["Parameter"]["Value"])


@cache
def _client() -> Client:
    import boto3
    from botocore.config import Config

    config = Config(connect_timeout=2, read_timeout=3, retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client("ssm", config=config)
