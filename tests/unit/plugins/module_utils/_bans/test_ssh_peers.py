# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whose connection to sshd is an operator's session, from a /proc as the kernel shows it."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._bans import operators

#: Local and remote address, state 01 (established), inode: 192.0.2.7 and 192.0.2.8 on a little-endian machine (proc(5), net/tcp).
TCP = """  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 010200C0:0016 070200C0:D431 01 00000000:00000000 02:00000000 00000000     0        0 501 2
   1: 010200C0:0016 080200C0:D431 01 00000000:00000000 02:00000000 00000000     0        0 502 2
"""


def process(proc: Path, pid: int, title: str, *, parent: int = 1, sockets: tuple[int, ...] = ()) -> None:
    place = proc / str(pid)
    (place / "fd").mkdir(parents=True, exist_ok=True)
    (place / "net").mkdir(exist_ok=True)
    (place / "comm").write_text("sshd\n")
    (place / "cmdline").write_text(title)
    (place / "stat").write_text(f"{pid} (sshd) S {parent} 0 0\n")
    (place / "net" / "tcp").write_text(TCP)
    for number, inode in enumerate(sockets):
        (place / "fd" / str(number)).symlink_to(f"socket:[{inode}]")


def peers(proc: Path) -> list[str]:
    return [str(network.network_address) for network in operators.ssh_peers(str(proc))]


def test_the_half_whose_files_root_may_not_see_tells_by_its_parent(tmp_path: Path) -> None:
    process(tmp_path, 10, "sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups")
    process(tmp_path, 20, "sshd: root [priv]", parent=10, sockets=(501,))
    process(tmp_path, 21, "sshd: root [net]", parent=20)
    process(tmp_path, 22, "", parent=20)
    process(tmp_path, 30, "sshd: jo [priv]", parent=10, sockets=(502,))
    process(tmp_path, 31, "sshd: jo@pts/0", parent=30)
    assert peers(tmp_path) == ["192.0.2.8"]


def test_a_process_that_has_just_been_started_for_a_connection_has_not_logged_in(tmp_path: Path) -> None:
    process(tmp_path, 20, "/usr/sbin/sshd\0-D\0-R\0", sockets=(501,))
    process(tmp_path, 30, "sshd: [rexeced]", sockets=(502,))
    process(tmp_path, 40, "sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups", sockets=(502,))
    assert peers(tmp_path) == []


def test_a_session_that_is_hidden_whole_makes_every_connection_that_nobody_is_known_to_hold_an_operators(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    process(tmp_path, 10, "sshd: /usr/sbin/sshd -D [listener] 1 of 10-100 startups", sockets=(500,))
    process(tmp_path, 20, "sshd: root [priv]", parent=10, sockets=(501,))
    process(tmp_path, 21, "sshd: root [net]", parent=20)
    process(tmp_path, 30, "sshd: jo [priv]", parent=10)
    process(tmp_path, 31, "sshd: jo@pts/0", parent=30)
    assert peers(tmp_path) == []
    listed = os.listdir

    def may_not_see(path: str) -> list[str]:
        if path in (str(tmp_path / "30" / "fd"), str(tmp_path / "31" / "fd")):
            raise PermissionError(path)
        return listed(path)

    # The tests run as root, whom the rights of a file do not stop.
    monkeypatch.setattr("os.listdir", may_not_see)
    assert peers(tmp_path) == ["192.0.2.8"]


def test_in_doubt_it_looks_again_and_what_stays_in_doubt_is_an_operator(tmp_path: Path) -> None:
    process(tmp_path, 20, "sshd: root [priv]", sockets=(501,))
    process(tmp_path, 30, "sshd: root [priv]", sockets=(502,))
    leaving = threading.Timer(0.1, (tmp_path / "20" / "fd" / "0").unlink)
    leaving.start()
    try:
        assert peers(tmp_path) == ["192.0.2.8"]
    finally:
        leaving.join()


def test_a_process_that_ends_while_it_is_looked_at_is_looked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its files were seen, and its title was gone already. Who guesses passwords ends such processes all the time, and would be spared."""
    process(tmp_path, 20, "", sockets=(501,))
    process(tmp_path, 30, "", sockets=(502,))
    monkeypatch.setattr(operators.time, "sleep", lambda _seconds: shutil.rmtree(tmp_path / "20", ignore_errors=True))
    # One that stays without a title is in doubt.
    assert peers(tmp_path) == ["192.0.2.8"]
