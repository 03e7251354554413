"""The DynamoDB of a local run: moto's server in this process, AWS's DynamoDB Local, or a given endpoint.

On each of them, the table is the one in template.yaml.
"""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from dev import dynamodb_local
from dev.dynamodb_local import DataInUse, EngineUnavailable
from dev.template import PSEUDO_PARAMETERS, Template

__all__ = ["DataInUse", "Engine", "EngineName", "EngineUnavailable", "create_table", "pretend_credentials", "started"]

PRETEND = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": ""}


class EngineName(StrEnum):
    """The values of `--engine`."""

    AUTO = "auto"
    MOTO = "moto"
    DYNAMODB_LOCAL = "dynamodb-local"


@dataclass(frozen=True)
class Engine:
    """A running engine. `is_persistent`: its data is on disk and remains when it stops."""

    name: str
    endpoint: str
    is_persistent: bool


@contextlib.contextmanager
def started(
    name: EngineName | str, *, data_dir: Path | None = None, report: Callable[[str], None] = lambda _: None
) -> Iterator[Engine]:
    """Start an engine, and stop it at the end of the block. `auto` falls back to moto and reports that in one line.

    *absent*: without `data_dir` all data is in memory. *raises*: EngineUnavailable when DynamoDB Local is named and
    cannot run here.
    """
    with contextlib.ExitStack() as stack:
        if name != EngineName.MOTO:
            files = data_dir / "dynamodb" if data_dir else None
            try:
                endpoint = stack.enter_context(dynamodb_local.running(files, report))
            except EngineUnavailable as reason:
                if name != EngineName.AUTO:
                    raise
                report(f"Using moto, in memory and slower with every item, because {reason}")
            else:
                yield Engine("DynamoDB Local", endpoint, is_persistent=data_dir is not None)
                return
        from dev import moto_server  # importing moto takes long

        yield Engine("moto", stack.enter_context(moto_server.running()), is_persistent=False)


def pretend_credentials(endpoint: str) -> None:
    """Set fake AWS credentials in the environment, unless `endpoint` is AWS, which needs the real ones."""
    if not (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com"):
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update(PRETEND)
        os.environ.setdefault("AWS_REGION", PSEUDO_PARAMETERS["AWS::Region"])
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]


def create_table(endpoint: str, template: Template) -> Any:
    """Create the template's table on `endpoint`, and return a boto3 client of it.

    *repeat*: an existing table is not changed.
    """
    client = boto3.client("dynamodb", endpoint_url=endpoint)
    try:
        client.create_table(**template.table)
    except client.exceptions.ResourceInUseException:
        return client
    client.get_waiter("table_exists").wait(TableName=template.table_name, WaiterConfig={"Delay": 1})
    with contextlib.suppress(ClientError):  # missing in an old DynamoDB Local; readers check expires_at anyway
        client.update_time_to_live(TableName=template.table_name, TimeToLiveSpecification=template.ttl)
    return client
