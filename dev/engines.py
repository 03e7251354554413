"""A DynamoDB to run against: moto's server in this process, AWS's DynamoDB Local, or an endpoint that is already there.

Whatever the engine, the table on it is the one in template.yaml.
"""

import contextlib
import os
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from dev import dynamodb_local
from dev.dynamodb_local import EngineUnavailable
from dev.template import PSEUDO_PARAMETERS, Template

__all__ = ["Engine", "EngineName", "EngineUnavailable", "create_table", "pretend_credentials", "started"]

PRETEND = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_SESSION_TOKEN": ""}


class EngineName(StrEnum):
    """What `--engine` takes."""

    AUTO = "auto"
    MOTO = "moto"
    DYNAMODB_LOCAL = "dynamodb-local"


@dataclass(frozen=True)
class Engine:
    """A running engine. `keeps` tells whether what is stored outlives it."""

    name: str
    endpoint: str
    keeps: bool


@contextlib.contextmanager
def started(
    name: EngineName | str, *, data_dir: Path | None = None, say: Callable[[str], None] = lambda _: None
) -> Iterator[Engine]:
    """A running engine, stopped on the way out. `auto` falls back to moto and says so in one line.

    absent: without `data_dir` everything is in memory.
    raises: EngineUnavailable when DynamoDB Local is asked for by name and cannot run here.
    """
    with contextlib.ExitStack() as stack:
        if name != EngineName.MOTO:
            files = data_dir / "dynamodb" if data_dir else None
            try:
                endpoint = stack.enter_context(dynamodb_local.running(files, say))
            except EngineUnavailable as reason:
                if name != EngineName.AUTO:
                    raise
                say(f"Using moto, in memory and slower with every item, because {reason}")
            else:
                yield Engine("DynamoDB Local", endpoint, keeps=data_dir is not None)
                return
        yield Engine("moto", stack.enter_context(_moto()), keeps=False)


def pretend_credentials(endpoint: str) -> None:
    """Set made-up AWS credentials in the environment, unless `endpoint` is AWS itself, which wants the real ones."""
    if not (urlsplit(endpoint).hostname or "").endswith(".amazonaws.com"):
        os.environ.pop("AWS_PROFILE", None)
        os.environ.update(PRETEND)
        os.environ.setdefault("AWS_REGION", PSEUDO_PARAMETERS["AWS::Region"])
        os.environ["AWS_DEFAULT_REGION"] = os.environ["AWS_REGION"]


def create_table(endpoint: str, template: Template) -> Any:
    """A boto3 client of `endpoint`, on which the template's table exists.

    repeat: a table that is there is left as it is.
    """
    client = boto3.client("dynamodb", endpoint_url=endpoint)
    try:
        client.create_table(**template.table)
    except client.exceptions.ResourceInUseException:
        return client
    client.get_waiter("table_exists").wait(TableName=template.table_name, WaiterConfig={"Delay": 1})
    with contextlib.suppress(ClientError):  # an old DynamoDB Local does not know it; readers look at expires_at anyway
        client.update_time_to_live(TableName=template.table_name, TimeToLiveSpecification=template.ttl)
    return client


@contextlib.contextmanager
def _moto() -> Iterator[str]:
    import logging

    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for every call to the store is no help
    moto = DomainDispatcherApplication(create_backend_app)
    lock = threading.Lock()

    def one_at_a_time(environ: dict[str, Any], start_response: Any) -> Any:
        """Moto's state may not change while another thread goes through it, as one that reads the stream does."""
        with lock:
            return moto(environ, start_response)

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, name="moto", daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
