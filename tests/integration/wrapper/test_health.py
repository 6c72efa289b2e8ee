# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""`incident run health` looks at real servers: one dead subject hides no other, nothing is changed, and no incident is opened."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.postgres import Server
from tests.support import wrapper
from tests.support.redis_servers import RedisServer

CLIENTS = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'"
LOCAL = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}


@pytest.fixture(scope="module")
def redis() -> Iterator[RedisServer]:
    with RedisServer.start() as server:
        yield server


def inventory(place: Path, groups: dict[str, Any]) -> str:
    path = place / "hosts.yml"
    path.write_text(yaml.safe_dump(groups))
    return str(path)


def database(server: Server, **more: Any) -> dict[str, Any]:
    return {**LOCAL, "postgres_via": "host", "postgres_login_unix_socket": str(server.socket_dir), "postgres_login_port": server.port,
            "postgres_login_user": "postgres", **more}


def look(place: Path, *arguments: str, env: dict[str, str] | None = None) -> tuple[int, dict[str, Any], str]:
    ended = wrapper.command(place / "home", "run", "health", "--json", *arguments, **(env or {}))
    return ended.returncode, json.loads(ended.stdout) if ended.stdout else {}, ended.stderr


def test_everything_is_looked_at_and_the_worst_is_first(tmp_path: Path, server18: Server, redis: RedisServer) -> None:
    hosts = inventory(tmp_path, {
        "db": {"hosts": {"db1": database(server18), "db2": database(server18, postgres_login_port=1)}},
        "cache": {"hosts": {"cache1": {**LOCAL, "redis_via": "host", "redis_login_unix_socket": str(redis.unix_socket)}}},
        "servers": {"hosts": {"disk1": {**LOCAL, "host_file_systems": ["/"]}}},
        "app": {"hosts": {
            "app1": {**LOCAL, "services": [{"name": "no-such-unit-here", "runtime": "systemd"}]},
            "none1": dict(LOCAL),
        }},
    })
    page, gauges = tmp_path / "health.html", tmp_path / "health.prom"
    before = server18.execute(CLIENTS)
    status, said, shown = look(tmp_path, "-i", hosts, "--html", str(page), "--prometheus", str(gauges))
    assert status == 3, shown
    health = said["health"]
    worst = {row["host"]: row["status"] for row in health["hosts"]}
    assert worst["db2"] == "critical" and worst["app1"] in ("critical", "unknown") and worst["disk1"] in ("ok", "warning", "critical")
    assert "none1" not in worst, "a host without services is none that could be looked at"
    assert {"db1", "cache1"} <= set(worst) and worst["cache1"] in ("ok", "warning")
    assert [line["status"] for line in health["checks"]] == sorted(
        (line["status"] for line in health["checks"]), key=["critical", "unknown", "warning", "ok"].index)
    assert said["incident"] is None and not (tmp_path / "home" / "incidents").exists()
    assert said["planned_actions"] == [] and said["plan_hash"] is None
    assert server18.execute(CLIENTS) == before
    assert "availability" in page.read_text() and 'host="db2",check="availability"} 2' in gauges.read_text()
    assert "status" in shown and "NOT HEALTHY  Not healthy: " in shown


def test_a_look_that_fails_hides_no_other(tmp_path: Path, server18: Server, redis: RedisServer) -> None:
    """A look that breaks off is no finding: it is said, it is the status of a failure, and the host's next subject is looked at."""
    hosts = inventory(tmp_path, {
        "db": {"hosts": {"one": database(server18, postgres_probe_query="SELECT 1 FROM pg_class")}},
        "cache": {"hosts": {"one": {"redis_via": "host", "redis_login_unix_socket": str(redis.unix_socket)}}},
    })
    status, said, shown = look(tmp_path, "-i", hosts)
    assert status == 1 and "Not everything could be looked at." in said["sentence"], shown
    failed = [line for line in said["health"]["checks"] if line["check"] == "look"]
    assert failed and failed[0]["status"] == "unknown" and "PostgreSQL" in shown
    answers = [line["status"] for line in said["health"]["checks"] if (line["host"], line["check"]) == ("one", "availability")]
    assert answers == ["ok", "ok"], "the database's and the cache's"


def test_all_is_well(tmp_path: Path, redis: RedisServer) -> None:
    hosts = inventory(tmp_path, {"cache": {"hosts": {"cache1": {
        **LOCAL, "redis_via": "host", "redis_login_unix_socket": str(redis.unix_socket)}}}})
    status, said, shown = look(tmp_path, "-i", hosts)
    assert (status, said["outcome"]) == (0, "healthy"), shown
    assert any("probe_write" in line["check"] for line in said["health"]["not_looked_at"])


def test_no_host_at_all_is_bad_input(tmp_path: Path) -> None:
    hosts = inventory(tmp_path, {"other": {"hosts": {"x": dict(LOCAL)}}})
    status, _said, shown = look(tmp_path, "-i", hosts)
    assert status == 2 and "No host of this run is in app, db, cache, web, servers, firewall" in " ".join(shown.split()), shown


def test_a_phase_that_it_has_not_is_refused_before_anything(tmp_path: Path) -> None:
    hosts = inventory(tmp_path, {"db": {"hosts": {"db1": dict(LOCAL)}}})
    status, _said, shown = look(tmp_path, "-i", hosts, "--tags", "mitigate")
    assert status == 2 and "health has no such phase" in shown and not (tmp_path / "home" / "runs").exists()
