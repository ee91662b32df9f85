"""A headless Chromium, driven over its debugging pipe (Chrome DevTools Protocol), so that nothing needs installing.

with Chromium(find_browser()) as browser:
    opened_s = browser.open(page)
    browser.photograph(picture)
"""

from __future__ import annotations

import base64
import fcntl
import json
import os
import shutil
import signal
import tempfile
import time
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
WIDTH, HEIGHT = 1280, 900
OPTIONS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars", "--disable-extensions",
    "--disable-background-networking", f"--window-size={WIDTH},{HEIGHT}", "--remote-debugging-pipe",
)  # fmt: skip
_PAINTED = "performance.getEntriesByName('first-contentful-paint').map(entry => entry.startTime)[0] || 0"


def find_browser() -> str | None:
    """A Chromium of this machine."""
    return next((path for name in NAMES if (path := shutil.which(name))), None)


class Chromium(AbstractContextManager["Chromium"]):
    """One browser with one empty tab, and nothing kept from before."""

    def __init__(self, program: str) -> None:
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        commands_out, commands_in = _pipe()
        answers_out, answers_in = _pipe()
        # It reads commands from its descriptor 3 and answers on 4.
        self._pid = os.posix_spawn(
            program,
            [program, *OPTIONS, f"--user-data-dir={self._folder.name}"],
            os.environ,
            file_actions=[
                *((os.POSIX_SPAWN_OPEN, number, os.devnull, os.O_WRONLY, 0) for number in (1, 2)),
                (os.POSIX_SPAWN_DUP2, commands_out, 3),
                (os.POSIX_SPAWN_DUP2, answers_in, 4),
            ],
        )
        for end in (commands_out, answers_in):
            os.close(end)
        self._commands, self._answers = os.fdopen(commands_in, "wb", 0), os.fdopen(answers_out, "rb", 0)
        self._number, self._session, self._rest = 0, "", b""
        self._events: list[str] = []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self._call("Page.enable")

    def open(self, page: Path, section: str = "") -> float:
        """Seconds from asking for a page until it is loaded and has painted its first content; shows that section."""
        # From one section of a page to another nothing would be loaded.
        self._go("about:blank")
        start = time.perf_counter()
        self._go(f"{page.resolve().as_uri()}#{section}" if section else page.resolve().as_uri())
        loaded_s = time.perf_counter() - start
        # Two frames later the first content is on the screen.
        frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        self._call("Runtime.evaluate", expression=frames, awaitPromise=True)
        painted_ms = self._call("Runtime.evaluate", expression=_PAINTED)["result"]["value"]
        return max(loaded_s, painted_ms / 1e3)

    def pretend(self, *, width: int, height: int, dark: bool) -> None:
        """Shows pages as on a screen of that size in CSS pixels, light or dark; twice as many real ones each way."""
        self._call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=2, mobile=width < 600
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def photograph(self, picture: Path) -> None:
        """Writes what the window shows into a PNG file."""
        data = self._call("Page.captureScreenshot", format="png")["data"]
        picture.write_bytes(base64.b64decode(data))

    def _go(self, address: str) -> None:
        """Navigates, and waits until the page is loaded."""
        self._events.clear()
        self._call("Page.navigate", url=address)
        while "Page.loadEventFired" not in self._events:
            self._events.append(self._read().get("method", ""))

    def _call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        message: dict[str, Any] = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._commands.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            self._events.append(answer.get("method", ""))
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._rest:
            more = self._answers.read(1 << 16)
            if not more:
                raise RuntimeError("the browser went away")
            self._rest += more
        text, _, self._rest = self._rest.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def __exit__(self, *_: object) -> None:
        os.kill(self._pid, signal.SIGTERM)
        os.waitpid(self._pid, 0)
        self._commands.close()
        self._answers.close()
        self._folder.cleanup()


def _pipe() -> tuple[int, int]:
    """A pipe whose descriptors are none of those that the browser takes for its own."""
    ends = os.pipe()
    high = tuple(fcntl.fcntl(end, fcntl.F_DUPFD_CLOEXEC, 10) for end in ends)
    for end in ends:
        os.close(end)
    return high[0], high[1]
