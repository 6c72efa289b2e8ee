# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of this machine, really connected to."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._probe.ports import look


@pytest.fixture
def port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def status(**more: object) -> str:
    wanted: dict[str, object] = {"host": "", "protocol": "tcp", "timeout": 2.0, **more}
    verdict = look(**wanted).verdict  # type: ignore[arg-type]
    return f"skipped: {verdict.skipped[0].reason}" if verdict.skipped else verdict.findings[0].status


def test_a_port_that_answers(port: int, tmp_path: Path) -> None:
    assert status(host="127.0.0.1", ports=[port]) == "ok"
    assert status(ports=[port], proc=str(tmp_path)) == "ok", "where it listens is not known, that it answers is"


def test_a_port_for_this_host_alone(port: int, tmp_path: Path) -> None:
    (tmp_path / "tcp").write_text(f"header\n 0: 0100007F:{port:04X} 00000000:0000 0A\n")
    assert status(ports=[port], proc=str(tmp_path)) == "warning"


def test_nobody_listens(tmp_path: Path) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        assert status(host="127.0.0.1", ports=[port]) == "critical"
        (tmp_path / "tcp").write_text("header\n")
        assert status(ports=[port], proc=str(tmp_path)) == "critical"


def test_a_name_without_address() -> None:
    assert status(host="nowhere.invalid", ports=[22]) == "unknown"


def test_udp(tmp_path: Path) -> None:
    assert status(ports=[53], protocol="udp", proc=str(tmp_path)) == "unknown"
    (tmp_path / "udp").write_text("header\n 0: 00000000:0035 00000000:0000 07\n")
    assert status(ports=[53], protocol="udp", proc=str(tmp_path)) == "ok"
    assert status(host="ns.example.org", ports=[53], protocol="udp").startswith("skipped")
