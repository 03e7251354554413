"""One build under measurement, in a process of its own: reads commands as JSON lines and answers each with a number.

`tracestore bench ingest --against` runs this file in the checkout of another revision too. So it uses only what both
have: the benchmarks' deployment, the gateway's request, and the methods of the DynamoDB client that the store calls.
"""

import base64
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Lock
from typing import Any

from dev.bench.deployment import deployed
from dev.gateway import Request

CLIENT_METHODS = ("query", "get_item", "put_item", "batch_get_item", "batch_write_item", "transact_write_items")


class Worker:
    """A deployment and its measurements. *units*: seconds of processor time, of all threads of this process."""

    def __init__(self, deployment: Any) -> None:
        self._deployment = deployment
        self._user = deployment.user("measured")
        self._client_s = 0.0
        self._lock = Lock()
        self._sequence = 0
        for name in CLIENT_METHODS:
            setattr(deployment.api_client, name, self._timed(getattr(deployment.api_client, name)))

    def capture(self, directory: str) -> dict[str, float]:
        """Send the OTLP bodies in a directory. `client_s` is the part that the DynamoDB client took."""
        bodies = [path.read_bytes() for path in sorted(Path(directory).iterdir())]
        headers = [("authorization", f"Bearer {self._user.token}"), ("content-type", "application/x-protobuf")]
        self._client_s, began = 0.0, time.process_time()
        for body in bodies:
            answer = self._deployment.api.answer(Request("POST", "/v1/traces", "", headers, body))
            assert answer.status == 200, (answer.status, answer.body[:300])
        return {"spent_s": time.process_time() - began, "client_s": self._client_s}

    def read(self, path: str, query: str, times: int) -> dict[str, float]:
        """Repeat a GET below /api/analytics/traces. `LATEST` in the path is the id of the newest trace."""
        if "LATEST" in path:
            path = path.replace("LATEST", self._user.get("", "view=summary&limit=1")["traces"][0]["trace_id"])
        self._user.get(path, query)
        self._client_s, began = 0.0, time.process_time()
        for _ in range(times):
            self._user.get(path, query)
        return {"spent_s": time.process_time() - began, "client_s": self._client_s}

    def count(self, records: int) -> dict[str, float]:
        """Deliver the heads of the table to the rollup function in one batch of a new shard."""
        heads = [item for item in self._items() if item["sk"]["S"] == "H"][:records]
        event = {"Records": [self._record(head) for head in heads], "shardId": f"shard-{self._sequence}", "state": {}}
        self._client_s, began = 0.0, time.process_time()
        self._deployment.api._functions.invoke("RollupFunction", event)
        return {"spent_s": time.process_time() - began, "client_s": self._client_s, "records": len(heads)}

    def _items(self) -> Iterator[dict[str, Any]]:
        pages = self._deployment.client.get_paginator("scan").paginate(TableName=self._deployment.table_name)
        for page in pages:
            yield from page["Items"]

    def _record(self, item: dict[str, Any]) -> dict[str, Any]:
        self._sequence += 1
        image = {
            name: {"B": base64.b64encode(value["B"]).decode()} if "B" in value else value
            for name, value in item.items()
        }
        change = {
            "Keys": {"pk": item["pk"], "sk": item["sk"]},
            "NewImage": image,
            "SequenceNumber": str(self._sequence),
        }
        return {"eventName": "INSERT", "dynamodb": change}

    def _timed(self, method: Callable[..., Any]) -> Callable[..., Any]:
        def timed(**request: Any) -> Any:
            began = time.thread_time()
            try:
                return method(**request)
            finally:
                with self._lock:
                    self._client_s += time.thread_time() - began

        return timed


def main() -> None:
    """Answer commands until the input ends. Only answers go to standard output; the functions' logs do not."""
    answers = sys.stdout
    sys.stdout = sys.stderr
    with deployed() as deployment:
        worker = Worker(deployment)
        print(json.dumps("ready"), file=answers, flush=True)
        for line in sys.stdin:
            command, *arguments = json.loads(line)
            print(json.dumps(getattr(worker, command)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
