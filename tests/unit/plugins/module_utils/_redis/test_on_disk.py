# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a stopped Redis would load."""

from __future__ import annotations

from pathlib import Path

from ansible_collections.oncall.incident.plugins.module_utils._redis.on_disk import configured_ports, on_disk


def test_the_files_of_data(tmp_path: Path) -> None:
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011")
    (tmp_path / "other.log").write_text("x")
    (tmp_path / "appendonlydir").mkdir()
    (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").write_text("abc")
    found = on_disk(str(tmp_path), {})
    assert [(name, size) for name, size, _changed in found.files] == [("appendonlydir/appendonly.aof.1.incr.aof", 3), ("dump.rdb", 9)]
    assert "dump.rdb (9 bytes, 20" in found.describe()


def test_an_empty_directory_starts_an_empty_server(tmp_path: Path) -> None:
    assert "holds no data, so it starts empty" in on_disk(str(tmp_path), {}).describe()


def test_the_directory_of_the_configuration(tmp_path: Path) -> None:
    configuration = tmp_path / "redis.conf"
    configuration.write_text(f'# dir /nowhere\nport 1\ndir "{tmp_path}"\n')
    service = {"instances": [{"paths": ["/usr/bin/redis-server", "/no/such.conf", str(configuration)]}]}
    assert on_disk("", service).directory == str(tmp_path)


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    assert "neither data_directory nor a configuration" in on_disk("", {}).describe()
    assert "No such file or directory" in on_disk(str(tmp_path / "gone"), {}).problem
    (tmp_path / "redis.conf").write_text("dir ./\n")
    relative = on_disk("", {"instances": [{"paths": [str(tmp_path / "redis.conf")]}]})
    assert relative.problem, "relative to what, we do not know"


def test_the_ports_of_the_configuration(tmp_path: Path) -> None:
    configuration = tmp_path / "redis.conf"
    service = {"instances": [{"paths": [str(configuration)]}]}
    assert configured_ports(service) == set(), "there is none"
    for text, ports in {"port 6380": {6380}, "#port 1\n": set(), "port 0\ntls-port 6390": {6390}, "port 1\nport 2": {2}}.items():
        configuration.write_text(text)
        assert configured_ports(service) == ports
