# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`make demo`: a real PostgreSQL made sick, `incident run db-recovery` on it, and a look at what became of every session.

The inventory `inventories/local` reads where the server is from the environment:
    INCIDENT_DEMO_SOCKET      directory of its socket
    INCIDENT_DEMO_PORT        port (part of the socket's name)
    INCIDENT_DEMO_USER        role to connect as
    INCIDENT_DEMO_PROBE_USER  role that runs the probe query
    INCIDENT_DEMO_DATABASE    database to connect to
    INCIDENT_DEMO_LOG         the server's log file

Exit status 0 only when the run measured the database healthy, the guilty sessions are gone and all others live.
"""

from __future__ import annotations

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

from demo import scene as staging
from demo.postgres import UNPRIVILEGED_USER, Server, ServerError

ROOT = Path(__file__).resolve().parent.parent
HOME = ROOT / ".demo"
#: Longer than the ages from which inventories/local lets a session be ended.
HANG_SECONDS = 12.0
RUN_TIMEOUT = 600.0
STOP_TIMEOUT = 60.0


class Ended(Exception):
    """The demo was told to end by a signal."""


def say(text: str) -> None:
    """One line of the demo's own."""
    print(f"demo: {text}", flush=True)


def environment(server: Server, scratch: Path) -> dict[str, str]:
    """What the incident command gets: where the server is, and where Ansible may write."""
    ansible = HOME / "ansible"
    return {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "INCIDENT_HOME": str(HOME),
        "INCIDENT_DEMO_SOCKET": str(server.socket_dir),
        "INCIDENT_DEMO_PORT": str(server.port),
        "INCIDENT_DEMO_USER": staging.ONCALL_ROLE,
        "INCIDENT_DEMO_PROBE_USER": staging.PROBE_ROLE,
        "INCIDENT_DEMO_DATABASE": staging.DATABASE,
        "INCIDENT_DEMO_LOG": str(server.log),
        "ANSIBLE_HOME": str(ansible),
        "ANSIBLE_LOCAL_TEMP": str(ansible / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(ansible / "tmp"),
        "ANSIBLE_ASYNC_DIR": str(ansible / "async"),
        "TMPDIR": str(scratch),
    }


def run_incident(server: Server, scratch: Path, arguments: list[str]) -> int:
    """Run the incident command as an operator would; its exit status."""
    argv = [str(Path(sys.executable).parent / "incident"), "run", "db-recovery", "-i", "inventories/local", "--yes", *arguments]
    say(f"$ incident {' '.join(argv[1:])}")
    print(flush=True)
    child = subprocess.Popen(argv, cwd=ROOT, env=environment(server, scratch))
    try:
        return child.wait(RUN_TIMEOUT)
    except BaseException:
        # Ctrl-C reaches the child too, through the terminal; it needs time to close its record. Another signal does not.
        _end(child)
        raise
    finally:
        print(flush=True)


def _end(child: subprocess.Popen[bytes]) -> None:
    for number in (None, signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        if number is not None:
            child.send_signal(number)
        try:
            child.wait(STOP_TIMEOUT if number else 2.0)
            return
        except subprocess.TimeoutExpired:
            continue


def demo(arguments: list[str]) -> int:
    """The whole demo; its exit status."""
    if os.geteuid() == 0:
        say(f"you are root, and PostgreSQL refuses root: its server runs as the existing user {UNPRIVILEGED_USER}. No user is made,")
        say("nothing is installed on this machine, and everything else runs as root.")
    HOME.mkdir(mode=0o700, exist_ok=True)
    scene = staging.Scene()
    server: Server | None = None
    # Not in the checkout: ansible-core 2.21 puts a socket below it, and a socket's path has about a hundred characters.
    scratch = Path(tempfile.mkdtemp(prefix="oncall-demo-"))
    try:
        say("starting a real PostgreSQL in a temporary directory and loading pgbench's tables")
        server = staging.start_server()
        say(f"PostgreSQL {server.major} runs in {server.base}")
        staging.make(server, scene, say=say)
        say(f"letting it hang for {HANG_SECONDS:g} s")
        time.sleep(HANG_SECONDS)
        status = run_incident(server, scratch, arguments)
        say(f"incident ended with exit status {status}")
        verdicts = staging.judge(server, scene)
        for right, words in verdicts:
            say(f"  {'yes' if right else 'NO '}  {words}")
        return 0 if status == 0 and all(right for right, _words in verdicts) else 1
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        scene.close()
        if server is not None:
            server.stop()
            say(f"stopped the server and removed {server.base}")
        shutil.rmtree(scratch, ignore_errors=True)


def _on_signal(number: int, _frame: FrameType | None) -> None:
    raise Ended(signal.Signals(number).name)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(prog="python -m demo", description="A real PostgreSQL made sick, and recovered.")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="further arguments of `incident run`, such as -- --check")
    arguments = [word for word in parser.parse_args().arguments if word != "--"]
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _on_signal)
    try:
        status = demo(arguments)
    except (KeyboardInterrupt, Ended) as ended:
        say(f"ended by {'Ctrl-C' if isinstance(ended, KeyboardInterrupt) else ended}")
        return 130
    except (ServerError, OSError, RuntimeError, subprocess.TimeoutExpired) as error:
        say(f"failed: {error}")
        return 1
    say("recovered, and only the guilty sessions are gone" if status == 0 else "FAILED: see the lines marked NO and the exit status above")
    return status


if __name__ == "__main__":
    sys.exit(main())
