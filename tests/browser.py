"""A headless Chromium, driven by its own debugging protocol over a pipe: no library, and nothing to download."""

import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_OPTIONS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    "--remote-debugging-pipe",
)
_SPEAKING = """
import fcntl, os, sys
high = [fcntl.fcntl(int(each), fcntl.F_DUPFD, 10) for each in sys.argv[1:3]]
for fixed, each in zip((3, 4), high):  # on these the protocol is spoken
    os.dup2(each, fixed)
os.execvp(sys.argv[3], sys.argv[3:])
"""
_PATIENCE = 60
_KEYS = {"/": 191, "+": 187, "-": 189, "0": 48, " ": 32, "Enter": 13, "Tab": 9, "Escape": 27, "Home": 36, "End": 35}
_ARROWS = {"ArrowLeft": 37, "ArrowUp": 38, "ArrowRight": 39, "ArrowDown": 40}
_TEXT = {"Enter": "\r"}


def executable() -> str:
    """Return the path of Chromium. Raises FileNotFoundError if there is none."""
    asked = os.environ.get("CHROMIUM")
    if found := asked or next(filter(None, map(shutil.which, _NAMES)), None):
        return found
    raise FileNotFoundError("there is no Chromium; apt-get install chromium, or set CHROMIUM to its path")


class Tab:
    """One page in the browser. Keeps the addresses of all that it requests, and what its script complains of."""

    def __init__(self, pipe: tuple[int, int]) -> None:
        self._reader, self._writer = pipe
        self._rest, self._count, self._session = b"", 0, ""
        self.requests: list[str] = []
        self.complaints: list[str] = []
        self._loaded = False

    def attach(self) -> None:
        """Make the page, and listen to what happens in it."""
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Return the result of a method of the protocol."""
        self._count += 1
        number = self._count
        session = {"sessionId": self._session} if self._session else {}
        message = json.dumps({"id": number, "method": method, "params": params, **session})
        os.write(self._writer, message.encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                assert "error" not in answer, (method, answer["error"])
                result: dict[str, Any] = answer["result"]
                return result

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            part = os.read(self._reader, 1 << 20)
            assert part, "the browser has ended"
            self._rest += part
        said, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(said)
        self._note(message.get("method", ""), message.get("params", {}))
        return message

    def _note(self, event: str, params: dict[str, Any]) -> None:
        if event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"].get("exception", {}).get("description", "exception"))
        elif event == "Log.entryAdded" and params["entry"]["level"] == "error":
            self.complaints.append(params["entry"]["text"])
        elif event == "Page.loadEventFired":
            self._loaded = True

    def show(self, width: int = 1440, height: int = 900, *, dark: bool = False) -> None:
        """Set the size of the window, and the preferred colours."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        feature = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[feature])

    def open(self, path: Path, fragment: str = "") -> None:
        """Load a file, and wait until it is loaded."""
        self._go("about:blank")  # a fragment alone would load nothing
        self.requests.clear()
        self._go(path.as_uri() + fragment)

    def _go(self, url: str) -> None:
        self._loaded = False
        self.call("Page.navigate", url=url)
        until = time.monotonic() + _PATIENCE
        while not self._loaded:
            assert time.monotonic() < until, "the page does not load"
            self._next()

    def run(self, script: str) -> Any:
        """Return the value of an expression, which may be a promise. What it throws is an AssertionError."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, *keys: str) -> None:
        """Press keys, by their names or characters."""
        for key in keys:
            code = {**_KEYS, **_ARROWS}.get(key, ord(key[0].upper()) if key.isalnum() else 0)
            text = _TEXT.get(key, key if len(key) == 1 else "")
            fields = {"key": key, "windowsVirtualKeyCode": code, "code": key}
            self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **fields)
            self.call("Input.dispatchKeyEvent", type="keyUp", **fields)

    def mouse(self, kind: str, x: float, y: float, **more: Any) -> None:
        """Send an event of the mouse: mousePressed, mouseMoved, mouseReleased or mouseWheel."""
        self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float) -> None:
        """Click with the left button."""
        for kind in ("mousePressed", "mouseReleased"):
            self.mouse(kind, x, y, button="left", clickCount=1)

    def picture(self, path: Path) -> None:
        """Save what is seen as a PNG."""
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))


@contextmanager
def browser() -> Iterator[Tab]:
    """Start Chromium for the block, and give a page in it."""
    program = executable()
    ours_in, theirs_out = os.pipe()
    theirs_in, ours_out = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                _SPEAKING,
                str(theirs_in),
                str(theirs_out),
                program,
                *_OPTIONS,
                f"--user-data-dir={profile}",
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            pass_fds=(theirs_in, theirs_out),
        )
        os.close(theirs_in)
        os.close(theirs_out)
        tab = Tab((ours_in, ours_out))
        try:
            tab.attach()
            yield tab
            tab._session = ""
            tab.call("Browser.close")
            process.wait(20)
        finally:
            process.kill()
            process.wait()
            os.close(ours_in)
            os.close(ours_out)
