# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each reference inventory makes a plan: one process each, in check mode, with this machine in the place of its hosts.

The database and Redis are real ones, and the application whose maintenance is switched has a switch of its own. Docker is a stand-in in
which nothing runs, so that each service is to be started; Kubernetes is the double of its API under the real kubectl.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout, reader

from demo import faults
from demo.postgres import Server
from tests.support.kube_api import KubeApi
from tests.support.maintenance import Application, application
from tests.support.redis_servers import RedisServer
from tests.support.site import ROOT, environment
from tests.support.units import Units

#: The inventories with services that are down, and which actions their plan has.
STARTED = {
    "chitlaq": {"auth-service", "user-service", "media-service", "api-gateway", "websocket", "nginx", "prometheus", "grafana"},
    "matrixon": {"elasticsearch", "matrixon-app", "nginx", "cadvisor"},
    "prism-dns": {"powerdns", "prism-server"},
    # Its deployments are well.
    "reconciliation": set(),
}
#: The inventories with a Redis, with file systems to clean, and with a switch for maintenance.
CACHED = {"chitlaq", "matrixon", "reconciliation", "servio"}
CLEANED = {"chitlaq", "matrixon", "prism-dns", "servio"}
SWITCHED = {"servio"}
ENDED = ["chitlaq", "matrixon", "prism-dns", "reconciliation", "servio"]
DOCKER = """#!/usr/bin/env python3
# An engine in which nothing runs. It refuses what it does not know.
import json, os, sys
words = sys.argv[1:]
if sys.argv[0].endswith("docker-compose"):
    words = ["compose", *words]
verb = words[0] if words else ""
if verb in ("ps", "events"):
    sys.exit(0)
if verb in ("version", "info"):
    print("28.2.2")
elif verb == "compose":
    rest = [word for word in words[1:] if not word.startswith("--") and not word.startswith("/")]
    if rest[:1] == ["config"]:
        print(*json.loads(os.environ["INCIDENT_TEST_SERVICES"]), sep="\\n")
    elif rest[:1] != ["ps"]:
        sys.exit(f"docker compose: what is {words}?")
else:
    sys.exit(f"docker: what is {words}?")
"""


@pytest.fixture(scope="module")
def stuck(server18: Server) -> Iterator[Server]:
    """A database in which a session is idle in a transaction."""
    faults.prepare(server18)
    with faults.idle_in_transaction(server18):
        yield server18


def plans(home: Path) -> list[dict[str, Any]]:
    """The plans of the records there."""
    runs = sorted(layout.runs_dir(home).iterdir())
    return [event["plan"] for run in runs for event in reader.read(run) if event["type"] == "plan"]


@pytest.fixture(scope="module")
def cache() -> Iterator[RedisServer]:
    """A Redis that is well."""
    with RedisServer.start() as server:
        yield server


@pytest.fixture
def app() -> Iterator[Application]:
    """What the team's URLs lead to."""
    with application() as found:
        yield found


@pytest.mark.parametrize("name", ENDED)
def test_it_plans(name: str, stuck: Server, cache: RedisServer, app: Application, tmp_path: Path) -> None:
    for program in ("docker", "docker-compose"):
        (tmp_path / program).write_text(DOCKER)
        (tmp_path / program).chmod(0o755)
    values = {
        "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "ansible_become": False, "evidence_snapshot": False,
        "postgres_snapshot": False, "postgres_via": "controller", "postgres_login_host": "127.0.0.1", "postgres_login_port": stuck.port,
        "postgres_login_unix_socket": "", "postgres_login_user": stuck.superuser, "postgres_login_password": stuck.password,
        "postgres_login_db": "postgres", "postgres_become_user": "", "postgres_log_path": "", "postgres_min_idle_in_transaction_age": "1s",
        "postgres_min_transaction_age": "1s", "service_window": "1s",
        "redis_via": "controller", "redis_login_host": "127.0.0.1", "redis_login_port": cache.port, "redis_login_password": "",
        "redis_log_path": "", "redis_become_user": "",
        "host_become": False, "host_file_systems": [str(tmp_path)], "host_look_below": [str(tmp_path / "project")], "host_disk_samples": "",
        "maintenance_become": False,
    }
    inventory = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventories" / name, inventory)
    for path in inventory.rglob("*.yml"):
        text = re.sub(r"(/opt/(?:chitlaq|matrixon)|/home/ubuntu/prism-deployment)\b", str(tmp_path / "project"), path.read_text())
        path.write_text(text.replace("https://api.servio.example.org", app.url))
    (tmp_path / "project").mkdir()
    others = {"service-outage": set(STARTED), "redis-recovery": CACHED, "disk-full": CLEANED, "maintenance-mode": SWITCHED}
    scenarios = ["db-recovery", *(scenario for scenario, asked in others.items() if name in asked)]
    with KubeApi(tmp_path) as cluster:
        for deployment, replicas in (("backend", 2), ("frontend", 1)):
            cluster.deploy(deployment, image="example.org/app:1", namespace="reconciliation", replicas=replicas)
        services = json.dumps(sorted(STARTED.get(name, ())))
        environ = environment(tmp_path, INCIDENT_TEST_SERVICES=services, KUBECONFIG=str(cluster.kubeconfig))
        environ["PATH"] = f"{tmp_path}:{environ['PATH']}"
        # What ends by itself is planned only where a unit can end it.
        (tmp_path / "systemd").mkdir()
        units = Units(tmp_path / "systemd") if name in SWITCHED else None
        if units is not None:
            environ["PATH"] = f"{units.environ['PATH'].partition(':')[0]}:{environ['PATH']}"
            environ["UNITS_DOUBLE"] = units.environ["UNITS_DOUBLE"]
        done = subprocess.run(
            [
                *(units.prefix if units is not None else ()),
                str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(inventory),
                *(str(ROOT / "incident" / f"{scenario}.yml") for scenario in scenarios), "--check", "--tags", "investigate,mitigate",
                "-e", json.dumps(values),
            ],
            capture_output=True, text=True, check=False, env=environ, timeout=600, cwd=tmp_path,
        )
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    actions = [(action["verb"], action["name"]) for plan in plans(tmp_path / "home") for found in plan["actions"].values()
               for action in found]
    # This one ends only who blocks others.
    assert any(verb in ("terminate", "cancel") for verb, _name in actions) == (name != "prism-dns"), said
    assert [title for verb, title in actions if verb == "maintenance_on"] == (
        [f"maintenance servio, api {app.url}/api/admin/maintenance"] if name in SWITCHED else []), said
    assert not app.calls and (units is None or not units.names()), "check mode switches nothing"
    started = {title.rpartition("service ")[2] for verb, title in actions if verb == "start_service"}
    assert started == STARTED.get(name, set()), said
