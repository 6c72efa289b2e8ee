# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What hints tell people to run that belongs to no subject: Ansible's own programs, and SSH. See tests/advice.yml."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from tests.support import sshd
from tests.support.advice import advised
from tests.support.run_module import run_module
from tests.support.until import until

PROGRAMS = Path(sys.executable).parent
ROOT = Path(__file__).resolve().parents[2]


def test_too_many_keys_are_tried_and_one_is_let_in(tmp_path: Path) -> None:
    with sshd.running() as server:
        known = ["-F", "none", "-p", str(server.port), "-o", f"UserKnownHostsFile={tmp_path / 'known'}", "-v"]
        known += ["-o", "StrictHostKeyChecking=accept-new", "-o", "BatchMode=yes"]
        offered = []
        for number in range(8):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / f"key{number}"], check=True, timeout=60)
            offered += ["-i", str(tmp_path / f"key{number}")]

        def login(*words: str) -> str:
            argv = ["ssh", *known, *words, f"{server.user}@127.0.0.1", "true"]
            return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False).stderr

        assert "Too many authentication failures" in login(*offered, "-i", str(server.place / "client"))
        until(lambda: "Too many authentication failures" in (server.place / "log").read_text(), what="the server's own line")
        now = time.strftime("%b %d %H:%M:%S")
        lines = (server.place / "log").read_text().splitlines()
        (tmp_path / "auth.log").write_text("".join(f"{now} gate sshd[7]: {line}\n" for line in lines))
        found = run_module("port_health", ports=[server.port], clients=["127.0.0.1"], refusals_since="1h", journal=False,
                           logs=[str(tmp_path / "auth.log")], asked=["port", "refusals"])
        [said] = [one for one in found["findings"] if one["check"] == "refusals" and one["hint"]]
        [command] = [one for one in advised(said["hint"]) if one.startswith("ssh ")]
        words = command.replace("KEY", str(server.place / "client")).split()[1:]
        assert "Authenticated to 127.0.0.1" in login(*words)


def test_programs_of_ansible_show_what_the_hints_say(tmp_path: Path) -> None:
    """Which groups there are, and what a role's variables mean."""
    (tmp_path / "hosts.yml").write_text("db: {hosts: {db1.example.org: }}\n")

    def said(program: str, *words: str) -> str:
        return subprocess.run([PROGRAMS / program, *words], capture_output=True, text=True, check=True, timeout=120, cwd=ROOT).stdout

    graph = said("ansible-inventory", "-i", str(tmp_path / "hosts.yml"), "--graph")
    assert "@db:" in graph and "db1.example.org" in graph
    assert "postgres_max_victims" in said("ansible-doc", "-t", "role", "oncall.incident.postgres")
