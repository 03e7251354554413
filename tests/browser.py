"""A headless Chromium, controlled over its DevTools protocol, through pipes: no driver is needed."""

import itertools
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from dev import chromium

TIMEOUT_S = 30


class Page:
    """A page in the browser."""

    def __init__(self, send: int, receive: int) -> None:
        self._send = send
        self._receive = receive
        self._numbers = itertools.count(1)
        self._buffer = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")

    def open(self, url: str) -> None:
        """Load a page."""
        self._call("Page.navigate", url=url)

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression. *raises*: AssertionError with the text of its exception."""
        result = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in result, result["exceptionDetails"]
        return result["result"].get("value")

    def wait_for(self, selector: str) -> None:
        """Wait for an element. *raises*: AssertionError after 30 s."""
        deadline = time.monotonic() + TIMEOUT_S
        while not self.evaluate(f"!!document.querySelector({json.dumps(selector)})"):
            assert time.monotonic() < deadline, f"{selector} does not appear; {self.complaints}"
            time.sleep(0.05)

    def click(self, selector: str) -> None:
        """Click an element, after it has appeared."""
        self.wait_for(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).click()")

    def type(self, selector: str, text: str) -> None:
        """Type a text into a field, after it has appeared."""
        self.wait_for(selector)
        self.evaluate(f"document.querySelector({json.dumps(selector)}).focus()")
        self._call("Input.insertText", text=text)

    def text(self, selector: str) -> str:
        """The visible text of an element, after it has appeared."""
        self.wait_for(selector)
        return str(self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText"))

    @property
    def complaints(self) -> list[str]:
        """Errors in the console, such as violations of the content security policy, and uncaught exceptions."""
        entries = [event["params"]["entry"] for event in self.events if event["method"] == "Log.entryAdded"]
        exceptions = [
            event["params"]["exceptionDetails"] for event in self.events if event["method"] == "Runtime.exceptionThrown"
        ]
        return [entry["text"] for entry in entries if entry["level"] in ("error", "warning")] + [
            str(details.get("exception", details)) for details in exceptions
        ]

    @property
    def requested(self) -> list[str]:
        """The addresses that the page has requested."""
        sent = [event["params"] for event in self.events if event["method"] == "Network.requestWillBeSent"]
        return [params["request"]["url"] for params in sent]

    def _call(self, method: str, **params: Any) -> Any:
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while True:
            received = self._next()
            if received.get("id") == number:
                assert "error" not in received, received
                return received["result"]
            if "method" in received:
                self.events.append(received)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            chunk = os.read(self._receive, 1 << 16)
            assert chunk, "the browser has ended"
            self._buffer += chunk
        message, _, self._buffer = self._buffer.partition(b"\0")
        parsed: dict[str, Any] = json.loads(message)
        return parsed


@contextmanager
def opened() -> Iterator[Page]:
    """A page of a new browser. *absent*: without Chromium the test is skipped; under CI it fails."""
    path = chromium.executable()
    if path is None:
        if os.environ.get("CI", "").lower() in ("1", "true"):
            pytest.fail("Chromium must be installed under CI.")
        pytest.skip("This needs Chromium.")
    to_read, send = os.pipe()
    receive, to_write = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The browser reads from descriptor 3 and writes to 4. Pipes may have these numbers, so they are copied first.
        script = 'exec 8<&"$0" 9>&"$1"; exec 3<&8 4>&9; exec "${@:2}"'
        options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        command = [path, *options, f"--user-data-dir={profile}", "--remote-debugging-pipe"]
        process = subprocess.Popen(
            ["bash", "-c", script, str(to_read), str(to_write), *command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        try:
            yield Page(send, receive)
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            os.close(send)
            os.close(receive)
