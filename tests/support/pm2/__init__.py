# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real pm2 with a daemon of the test's own. The pinned packages beside this file are fetched once, into .cache."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.need import need
from tests.support.netns import end_with_us
from tests.support.processes import alive
from tests.support.run_module import ROOT
from tests.support.until import until

_HERE = Path(__file__).parent
_PLACE = ROOT / ".cache" / "pm2"
#: What every app has in its environment, and nothing of ours may show.
CANARY = "canary-of-pm2-jlist"
#: An HTTP server that answers with its process id, and ends what it has begun. One that dies at SIGINT loses what it is just handed.
WEB = """
const http = require("http");
const server = http.createServer((_asked, answer) => answer.end(String(process.pid)));
server.listen(Number(process.env.PORT), "127.0.0.1");
process.on("SIGINT", () => server.close(() => process.exit(0)));
console.log("line of the log");
"""


def crash(milliseconds: int, *, worker: str = "") -> str:
    """An app that dies after a while; with `worker`, only that one of its workers does, and the others wait."""
    dies = f"setTimeout(() => process.exit(3), {milliseconds});"
    return f'if (process.env.NODE_APP_INSTANCE === "{worker}") {{ {dies} }} else {{ setInterval(() => 0, 1000); }}' if worker else dies


def program() -> Path:
    """The program pm2, which is fetched when it is not there yet."""
    node, npm = shutil.which("node"), shutil.which("npm")
    need(node and npm, "node and npm")
    assert npm
    _PLACE.mkdir(parents=True, exist_ok=True)
    found = _PLACE / "node_modules" / ".bin" / "pm2"
    with (_PLACE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        pinned = (_HERE / "package-lock.json").read_bytes()
        mark = _PLACE / "fetched"
        if not mark.exists() or mark.read_bytes() != pinned:
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_HERE / name, _PLACE)
            done = subprocess.run(
                [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=_PLACE, stdin=subprocess.DEVNULL, capture_output=True,
                text=True, timeout=300, check=False,
            )
            assert done.returncode == 0, f"npm ci: {done.stdout}{done.stderr}"
            mark.write_bytes(pinned)
    return found


@dataclass
class Pm2:
    """A place for a daemon, and the apps of it.

    Attributes:
        place: a directory for apps.
        user: whose daemon it is.
        daemon: its process, None before it was started.
    """

    place: Path
    user: str
    command: Path
    daemon: subprocess.Popen[bytes] | None = None

    @property
    def home(self) -> Path:
        """PM2_HOME."""
        return self.place / "home"

    @property
    def daemon_uid(self) -> int:
        """The id of its user."""
        return pwd.getpwnam(self.user).pw_uid

    @property
    def where(self) -> dict[str, Any]:
        """As an inventory says it."""
        return {"user": self.user, "home": str(self.home), "command": [str(self.command)]}

    @property
    def environ(self) -> dict[str, str]:
        """For the daemon and its client."""
        return {"PATH": os.environ["PATH"], "HOME": str(self.place), "PM2_HOME": str(self.home), "PM2_DISCRETE_MODE": "true"}

    def start(self) -> None:
        """Start the daemon, which ends with the test."""
        self.home.mkdir(exist_ok=True)
        about = pwd.getpwnam(self.user)
        shutil.chown(self.home, about.pw_uid, about.pw_gid)
        daemon = self.command.resolve().parent.parent / "lib" / "Daemon.js"
        node = shutil.which("node")
        assert node
        become = {} if about.pw_uid == os.geteuid() else {"user": about.pw_uid, "group": about.pw_gid, "extra_groups": []}
        with (self.place / "daemon.log").open("wb") as log:
            self.daemon = subprocess.Popen(
                [node, str(daemon)], env=self.environ, cwd=self.place, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=end_with_us, **become,
            )
        until(self._answers, what="the daemon of pm2")

    def run(self, *words: str) -> str:
        """A command of pm2, as the daemon's user."""
        about = pwd.getpwnam(self.user)
        become = {} if about.pw_uid == os.geteuid() else {"user": about.pw_uid, "group": about.pw_gid, "extra_groups": []}
        done = subprocess.run(
            [str(self.command), *words, "--silent", "--no-color"], env={**self.environ, "SECRET_TOKEN": CANARY}, cwd=self.place,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False, **become,
        )
        assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def app(self, name: str, source: str, *, workers: int = 0, gives_up: bool = False, **environ: str) -> None:
        """Start an app.

        Args:
            source: its program.
            workers: how many, in cluster mode; 0 for fork mode.
            gives_up: any end of it counts as a fast one (on a busy machine node alone takes more than pm2's second), and pm2 takes three.
            environ: of the app.
        """
        file = self.place / f"{name}.js"
        file.write_text(source)
        one: dict[str, Any] = {"name": name, "script": str(file), "env": environ}
        one.update({"instances": workers, "exec_mode": "cluster"} if workers else {"exec_mode": "fork"})
        one.update({"min_uptime": 600_000, "max_restarts": 3} if gives_up else {})
        plan = self.place / f"{name}.json"
        plan.write_text(json.dumps({"apps": [one]}))
        self.run("start", str(plan))

    def processes(self, name: str) -> list[Mapping[str, Any]]:
        """What pm2 itself says of an app."""
        return [one for one in json.loads(self.run("jlist").splitlines()[-1]) if one["name"] == name]

    def pids(self, name: str) -> list[int]:
        """The processes of an app."""
        return sorted(one["pid"] for one in self.processes(name))

    def end(self) -> None:
        """End the daemon and all that it has started, whatever state it is in."""
        for pid in self.all():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if self.daemon is not None:
            self.daemon.wait(30)
        until(lambda: not self.all(), what="the end of what pm2 has started")

    def all(self) -> list[int]:
        """Every process that runs with this PM2_HOME."""
        mark, found = f"PM2_HOME={self.home}".encode(), []
        for entry in Path("/proc").glob("[0-9]*/environ"):
            with contextlib.suppress(OSError):
                if mark in entry.read_bytes().split(b"\0") and alive(int(entry.parent.name)):
                    found.append(int(entry.parent.name))
        return found

    def daemons(self) -> list[int]:
        """The daemons among these."""
        return [pid for pid in self.all() if b"God Daemon" in Path(f"/proc/{pid}/cmdline").read_bytes()]

    def _answers(self) -> bool:
        assert self.daemon is not None and self.daemon.poll() is None, (self.place / "daemon.log").read_text()
        return (self.home / "rpc.sock").exists() and (self.home / "pub.sock").exists()


@contextlib.contextmanager
def pm2(*, user: str = "", started: bool = True) -> Iterator[Pm2]:
    """A pm2 with its daemon.

    Args:
        user: whose daemon it is; empty for ours.
        started: whether the daemon runs.
    """
    command = program()
    # A socket's path may have 107 bytes.
    place = Path(tempfile.mkdtemp(prefix="incident-pm2-"))
    place.chmod(0o755)
    made = Pm2(place=place, user=user or pwd.getpwuid(os.geteuid()).pw_name, command=command)
    try:
        if started:
            made.start()
        yield made
    finally:
        made.end()
        shutil.rmtree(place, ignore_errors=True)
