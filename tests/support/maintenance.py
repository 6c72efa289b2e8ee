# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shop behind a real NGINX with the flags of docs/maintenance.md, and one with a switch of its own."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from demo.ports import free_ports
from tests.support.acme import answers
from tests.support.need import need
from tests.support.until import until

DOCS = Path(__file__).resolve().parents[2] / "docs" / "maintenance.md"
OPERATOR, SECRET = "OPERATOR-KEY", "s3cr3t-of-the-admin"
_AROUND = """
{user}
daemon off; pid {place}/nginx.pid; error_log {place}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {place}/body; proxy_temp_path {place}/proxy; fastcgi_temp_path {place}/fastcgi;
    uwsgi_temp_path {place}/uwsgi; scgi_temp_path {place}/scgi;
{server}
}}
"""


@dataclass
class Application:
    """An application with a switch of its own, which it keeps.

    Attributes:
        on: whether it answers users with 503.
        assistant: whether it does so for its assistant alone.
        lazy: its switch answers 200 and does nothing.
        sick: its health URL answers 500.
        calls: the bodies that its switch was given with the right header.
    """

    port: int = 0
    on: bool = False
    assistant: bool = False
    lazy: bool = False
    sick: bool = False
    calls: list[Any] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def settings(self) -> dict[str, Any]:
        """Variables of a host for it."""
        return {
            "maintenance_method": "api", "maintenance_public": [{"name": "shop", "url": f"{self.url}/"}],
            "maintenance_health": [{"name": "health", "url": f"{self.url}/health"}],
            "maintenance_api": {"url": f"{self.url}/api/maintenance", "on": {"enabled": True}, "off": {"enabled": False}},
        }


@contextlib.contextmanager
def application() -> Iterator[Application]:
    """One on a port of its own."""
    app = Application()

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/health":
                self._say(500 if app.sick else 200)
            else:
                away = app.on or (app.assistant and self.path == "/assistant")
                self._say(503 if away else 200, **({"Retry-After": "600"} if away else {}))

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            if self.path != "/api/maintenance":
                return self._say(404)
            if self.headers.get("X-Admin-Token") != SECRET:
                return self._say(401)
            try:
                given = json.loads(body)
                enabled, scope = given["enabled"], given.get("scope", "")
                assert isinstance(enabled, bool) and scope in ("", "assistant")
            except (ValueError, KeyError, TypeError, AssertionError):
                return self._say(422)
            app.calls.append(enabled)
            if not app.lazy and scope:
                app.assistant = enabled
            elif not app.lazy:
                app.on = enabled
            return self._say(200)

        def _say(self, status: int, **headers: str) -> None:
            self.send_response(status)
            for name, value in {"Content-Length": "0", **headers}.items():
                self.send_header(name, value)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    app.port = server.server_port
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield app
    finally:
        server.shutdown()
        server.server_close()


@dataclass(frozen=True)
class Shop:
    """The shop of docs/maintenance.md: an application behind NGINX.

    Attributes:
        flag, checkout: paths of its flags.
    """

    url: str
    place: Path
    app: Application
    process: subprocess.Popen[bytes]

    @property
    def flag(self) -> Path:
        """Of all of it."""
        return self.place / "flags" / "maintenance.on"

    @property
    def checkout(self) -> Path:
        """Of one feature."""
        return self.place / "flags" / "maintenance-checkout.on"

    def probes(self) -> dict[str, Any]:
        """The options of maintenance_health that ask it."""
        return {
            "public": [{"name": "shop", "url": f"{self.url}/"}], "health": [{"name": "health", "url": f"{self.url}/health"}],
            "bypass": [{"name": "operators", "url": f"{self.url}/", "headers": {"X-Operator": OPERATOR}}],
        }

    def settings(self) -> dict[str, Any]:
        """Variables of a host for it."""
        return {
            "maintenance_flag": str(self.flag), **{f"maintenance_{name}": probes for name, probes in self.probes().items()},
            "maintenance_scopes": {
                "checkout": {"flag": str(self.checkout), "public": [{"name": "checkout", "url": f"{self.url}/checkout"}]},
            },
        }


@contextlib.contextmanager
def shop(place: Path) -> Iterator[Shop]:
    """One that is not in maintenance."""
    binary = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin") or ""
    need(binary, "Debian's nginx-light")
    (place / "flags").mkdir(parents=True)
    (port,) = free_ports(1)
    with application() as app:
        (server,) = re.findall(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
        for here, there in (
            ("listen 443 ssl;", f"listen 127.0.0.1:{port};"), ("/var/lib/shop", str(place / "flags")),
            ("http://127.0.0.1:8080", app.url),
        ):
            assert here in server
            server = server.replace(here, there)
        # Its workers must get into the test's directory, which belongs to whoever runs the test.
        user = "user root;" if os.geteuid() == 0 else ""
        (place / "nginx.conf").write_text(_AROUND.format(user=user, place=place, server=server))
        process = subprocess.Popen([binary, "-p", str(place), "-c", str(place / "nginx.conf"), "-e", str(place / "error.log")])
        try:
            until(lambda: process.poll() is not None or answers(port), what=f"NGINX; see {place / 'error.log'}")
            assert process.poll() is None, (place / "error.log").read_text()
            yield Shop(f"http://127.0.0.1:{port}", place, app, process)
        finally:
            process.terminate()
            process.wait(timeout=30)
