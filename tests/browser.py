"""A headless Chromium, spoken to through a pipe: no port is opened, and nothing but Python's own library is needed.

*Source:* the Chrome DevTools Protocol. *Shape:* JSON objects with a NUL after each, to descriptor 3 and from descriptor 4.
"""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update", "--host-resolver-rules=MAP * ~NOTFOUND"),
)


class Page:
    """One page, and what it did: requests for anything, errors of its scripts and of its policy."""

    def __init__(self, writer: int, reader: int) -> None:
        self._writer, self._reader, self._last, self._rest = writer, reader, 0, b""
        self._session: str | None = None
        self.requests: list[str] = []
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> Any:
        """Ask for something; its result."""
        self._last += 1
        message = {"id": self._last, "method": method, "params": params}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._writer, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return answer["result"]

    def open(self, url: str) -> None:
        """Open a page and wait until all of it is there."""
        self.call("Page.navigate", url=url)
        while self._read().get("method") != "Page.loadEventFired":
            pass

    def evaluate(self, expression: str) -> Any:
        """What an expression of JavaScript comes to."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def _read(self) -> Any:
        while b"\0" not in self._rest:
            more = os.read(self._reader, 1 << 20)
            assert more, "Chromium ended"
            self._rest += more
        line, _, self._rest = self._rest.partition(b"\0")
        message = json.loads(line)
        params = message.get("params", {})
        if message.get("method") == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif message.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(params["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded":
            self.errors.append(str(params["entry"]))
        return message


@contextmanager
def chromium() -> Iterator[Page]:
    """A browser with a profile of its own, and one page in it."""
    to_browser, from_browser = os.pipe(), os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The shell puts the pipe where Chromium wants it.
        script = f'exec chromium "$@" 3<&{to_browser[0]} 4>&{from_browser[1]}'
        argv = ("bash", "-c", script, "chromium", *_OPTIONS, f"--user-data-dir={profile}", "--remote-debugging-pipe")
        with subprocess.Popen(
            argv,
            pass_fds=(to_browser[0], from_browser[1]),
            env={**os.environ, "HOME": profile},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process:
            os.close(to_browser[0])
            os.close(from_browser[1])
            try:
                yield Page(to_browser[1], from_browser[0])
            finally:
                process.kill()
                os.close(to_browser[1])
                os.close(from_browser[0])
