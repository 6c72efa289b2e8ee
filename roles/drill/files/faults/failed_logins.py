# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Somebody who has not got the right password: logins over SSH, and at a page behind HTTP's basic authentication."""

from __future__ import annotations

import base64
import dataclasses
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator

from _common import Asked, is_active, main, ready, stop

CONNECT_SECONDS = 3
LOGIN_SECONDS = 10
GO_ON_SECONDS = 1500
ALLOWED_SECONDS = 55
PAUSE_SECONDS = 1
# ssh asks this program for the password, and takes its own question for the answer: nobody has such a password.
ASKING = {"SSH_ASKPASS": "/bin/echo", "SSH_ASKPASS_REQUIRE": "force"}
SSH = [
    "ssh", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
    "-o", "PreferredAuthentications=password", "-o", "PubkeyAuthentication=no", "-o", "NumberOfPasswordPrompts=1",
    "-o", f"ConnectTimeout={CONNECT_SECONDS}",
]


@dataclasses.dataclass(frozen=True)
class Effort:
    """Who tries, and how hard.

    Attributes:
        attempts: failed logins at each place.
        banned: it waits until nobody answers there any more.
        go_on: on until the fault is taken back, less often.
    """

    user: str
    attempts: int
    banned: bool
    go_on: bool


class Login:
    """One place to log in at, and how often it said no."""

    def __init__(self, where: str, effort: Effort) -> None:
        self.where = where
        self.effort = effort
        self.denied = 0
        self.shut = False
        self.ready = threading.Event()
        url = urllib.parse.urlsplit(where)
        self.http = url.scheme in ("http", "https")
        self.host = (url.hostname or "") if self.http else where
        self.port = (url.port or {"http": 80, "https": 443}[url.scheme]) if self.http else 22

    def answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), timeout=CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    def is_denied(self) -> bool:
        return self._denied_over_http() if self.http else self._denied_over_ssh()

    def _denied_over_ssh(self) -> bool:
        try:
            tried = subprocess.run(
                [*SSH, "-l", self.effort.user, self.host, "true"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                env={**os.environ, **ASKING}, timeout=LOGIN_SECONDS, check=False,
            )
        except subprocess.TimeoutExpired:
            return False  # the ban came in the middle of it, and ssh waits on
        return "Permission denied" in tried.stderr

    def _denied_over_http(self) -> bool:
        request = urllib.request.Request(self.where)
        request.add_header("Authorization", "Basic " + base64.b64encode(f"{self.effort.user}:drill-wrong".encode()).decode())
        try:
            urllib.request.urlopen(request, timeout=CONNECT_SECONDS).close()
        except urllib.error.HTTPError as exc:
            return exc.code == 401
        except OSError:
            pass
        return False

    def keep_trying(self) -> None:
        """One login after the other until it is enough; those that come after that, or are to be noticed, with a pause between two.

        The daemon reads the log now and then: what is tried while it looks away would be left for after the ban.
        """
        while self.effort.go_on or not self.is_over():
            tried = False
            if not self.effort.go_on and self.denied and not self.answers():
                self.shut = True
            elif self.effort.go_on or not self.is_enough():
                tried = self.is_denied()
                self.denied += tried
            if self.is_enough():
                self.ready.set()
            if self.effort.banned or self.is_enough() or not tried:
                time.sleep(PAUSE_SECONDS)
        self.ready.set()

    def is_enough(self) -> bool:
        return self.denied >= self.effort.attempts

    def is_over(self) -> bool:
        """Where a ban is waited for, the last attempt is not the end: the daemon may need long on a busy host."""
        return self.shut or (self.is_enough() and not self.effort.banned)


def inject(asked: Asked) -> None:
    params = asked.params
    effort = Effort(user=params["user"], attempts=params["attempts"], banned=params["banned"], go_on=params["go_on"])
    logins = [Login(where, effort) for where in [*params["ssh"], *params["http"]]]
    for login in logins:
        for _number in range(params["at_once"]):
            threading.Thread(target=login.keep_trying, daemon=True).start()
    end = time.monotonic() + ALLOWED_SECONDS
    for login in logins:
        login.ready.wait(max(0.0, end - time.monotonic()))
        if (effort.banned and not login.shut) or not login.denied:
            sys.exit(f"{login.where}: {login.denied} failed logins, and {'no ban' if login.denied else 'nothing that says no'}")
        print(f"{login.where}: {login.denied} failed logins{', then kept out' if login.shut else ''}", flush=True)
    ready()
    if effort.go_on:
        time.sleep(GO_ON_SECONDS)


def left(asked: Asked) -> Iterator[str]:
    if is_active(f"{asked.unit}.service"):
        yield "goes on trying"


if __name__ == "__main__":
    main(inject=inject, remove=stop, left=left)
