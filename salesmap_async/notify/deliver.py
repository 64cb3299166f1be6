"""Bringing a message somewhere, within a bounded time.

Whatever goes wrong is returned as words; nothing here raises, and no address is repeated in them,
for it may be secret. The token is in no message, and not in the environment of the command (I6).
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from salesmap_async.version import VERSION

HTTP_LIMIT_S = 10.0
COMMAND_LIMIT_S = 60.0
_MOST_BODY_BYTES = 10_000
"""As much as the usual monitors keep of a ping's body."""


class HttpSender:
    """Sends through a proxy, and trusts further certificates, where the settings say so."""

    def __init__(self, *, proxy: str | None = None, ca_file: Path | None = None) -> None:
        self._proxy = proxy
        self._ca_file = ca_file

    def ping(self, url: str, event: str, body: str) -> str:
        """POST `body` to `url`, or to `url`/`event`; return what went wrong, '' for nothing."""
        parts = urlsplit(url)
        path = parts.path.rstrip("/") + f"/{event}" if event else parts.path
        return self._post(
            urlunsplit(parts._replace(path=path)), body.encode()[:_MOST_BODY_BYTES], "text/plain"
        )

    def post_text(self, url: str, text: str) -> str:
        """POST `{"text": ...}`; return what went wrong, '' for nothing."""
        body = json.dumps({"text": text}, ensure_ascii=False).encode()
        return self._post(url, body, "application/json")

    def _post(self, url: str, body: bytes, content_type: str) -> str:
        request = urllib.request.Request(  # noqa: S310  (Settings admit http and https only)
            url,
            data=body,
            headers={
                "Content-Type": f"{content_type}; charset=utf-8",
                "User-Agent": f"salesmap-async/{VERSION}",
            },
        )
        return _within(HTTP_LIMIT_S, lambda: self._send(request))

    def _send(self, request: urllib.request.Request) -> str:
        proxies = {} if self._proxy is None else {"http": self._proxy, "https": self._proxy}
        try:
            context = ssl.create_default_context()
            if self._ca_file is not None:
                context.load_verify_locations(self._ca_file)
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler(proxies), urllib.request.HTTPSHandler(context=context)
            )
            with opener.open(request, timeout=HTTP_LIMIT_S) as answer:
                answer.read(1)
        except urllib.error.HTTPError as error:
            with error:
                return f"the answer was {error.code}"
        except urllib.error.URLError as error:
            return f"it cannot be reached: {error.reason}"
        except Exception as error:
            return f"it cannot be reached: {type(error).__name__}"
        return ""


def run_command(command: str, told: Mapping[str, str]) -> str:
    """Run a shell command with `told` in its environment; return what went wrong.

    What it prints goes to standard error, so that standard output stays the run's own.
    """
    environment = {k: v for k, v in os.environ.items() if k != "SALESMAP_TOKEN"} | dict(told)
    try:
        process = subprocess.Popen(  # noqa: S602  (a shell command is what the option asks for)
            command,
            shell=True,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=_standard_error(),
            start_new_session=os.name == "posix",
        )
    except (OSError, ValueError) as error:
        return f"it cannot be started: {error}"
    try:
        code = process.wait(COMMAND_LIMIT_S)
    except subprocess.TimeoutExpired:
        _kill(process)
        return f"it was ended after {COMMAND_LIMIT_S:g} s"
    return f"it ended with exit code {code}" if code else ""


def _standard_error() -> int:
    try:
        os.fstat(2)
    except OSError:
        return subprocess.DEVNULL
    return 2


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End the shell and what it has started."""
    if sys.platform != "win32":
        os.killpg(process.pid, signal.SIGKILL)
    else:
        subprocess.run(  # noqa: S603
            ["taskkill", "/F", "/T", "/PID", str(process.pid)],  # noqa: S607
            capture_output=True,
            check=False,
        )
        process.kill()
    process.wait()


def _within(limit_s: float, work: Callable[[], str]) -> str:
    """Return what `work` returns, or that it took too long: it is then left alone."""
    result: list[str] = []
    thread = threading.Thread(target=lambda: result.append(work()), daemon=True)
    thread.start()
    thread.join(limit_s)
    return result[0] if result else f"there was no answer in {limit_s:g} s"
