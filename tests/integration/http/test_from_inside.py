# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asked from inside real containers and as a real process of this host: what they reach, and with whose names and credentials."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.again import of_event

from tests.conformance.kit import recorded
from tests.support.docker_engine import IMAGE, Engine, engine
from tests.support.netns import end_with_us
from tests.support.run_module import start_module
from tests.support.until import until

pytestmark = pytest.mark.timeout(300)
DOUBLES = Path(__file__).resolve().parents[2] / "support" / "doubles"
CANARY = "canary-of-an-environment"
NOBODY = 65534
#: A name server for one name, on the port that it is given: RFC 1035 section 4.
NAME_SERVER = """
import socket, sys
way = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
way.bind(("127.0.0.1", 53))
print("up", flush=True)
while True:
    asked, who = way.recvfrom(512)
    labels, place = [], 12
    while asked[place]:
        labels.append(asked[place + 1:place + 1 + asked[place]].decode())
        place += 1 + asked[place]
    known = labels == ["db", "shop", "internal"] and asked[place + 1:place + 3] == b"\\0\\1"
    answer = b"\\xc0\\x0c\\0\\1\\0\\1\\0\\0\\0\\1\\0\\4\\x7f\\0\\0\\1" if known else b""
    way.sendto(asked[:2] + b"\\x81\\x80\\0\\1" + (b"\\0\\1" if known else b"\\0\\0") + bytes(4) + asked[12:place + 5] + answer, who)
"""


@dataclass
class Site:
    """A project of one container that serves /health on a port of its own network."""

    engine: Engine
    directory: Path
    container: str

    def run(self, module: str, **args: Any) -> dict[str, Any]:
        """Run a module that talks to this engine."""
        return start_module(module, env=self.engine.environ, **args).result(timeout=120)

    def reach(self, *reaches: Mapping[str, Any], **more: Any) -> dict[str, Any]:
        """What comes of these. An engine that has much to do starts a command late."""
        service = {"name": "web", "runtime": "compose", "where": self.where, "reaches": [{"max_time": "60s", **one} for one in reaches]}
        return self.run("service_reach", services=[service], **more)

    @property
    def where(self) -> dict[str, Any]:
        """Where the services are."""
        return {"directory": str(self.directory), "files": [str(self.directory / "compose.yml")], "command": self.engine.compose}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One engine, one container."""
    directory = tmp_path_factory.mktemp("shop")
    serve = "busybox mkdir -p /www && echo '{\"database\": \"ok\"}' > /www/health && exec httpd -f -p 127.0.0.1:8080 -h /www"
    web = {
        "image": IMAGE, "network_mode": "none", "command": ["sh", "-c", serve], "environment": {"DATABASE_PASSWORD": CANARY},
        "extra_hosts": ["cache.internal:127.0.0.1"], "dns": ["127.0.0.1"], "dns_search": ["shop.internal"], "stop_signal": "SIGKILL",
    }
    (directory / "compose.yml").write_text(json.dumps({"services": {"web": web, "gone": {**web, "command": ["true"]}}}))
    with engine() as made:
        made.project(directory, "up", "--detach", "--no-build")
        container = made.project(directory, "ps", "--quiet", "web").strip()
        until(lambda: _serves(made, container), what="the web server in the container")
        yield Site(made, directory, container)


def _serves(made: Engine, container: str) -> bool:
    with contextlib.suppress(AssertionError):
        return "database" in made.docker("exec", container, "busybox", "wget", "-q", "-O", "-", "http://127.0.0.1:8080/health")
    return False


@pytest.fixture
def name_server(site: Site) -> Iterator[None]:
    """Answers in the container's network."""
    pid = site.engine.docker("inspect", "--format", "{{.State.Pid}}", site.container).strip()
    argv = ["nsenter", f"--target={pid}", "--net", sys.executable, "-c", NAME_SERVER]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, preexec_fn=end_with_us) as process:
        assert process.stdout is not None and process.stdout.readline() == b"up\n"
        yield
        process.terminate()


def test_a_probe_is_asked_from_inside_a_container(site: Site, name_server: None) -> None:
    probes = [
        {"name": "own", "url": "http://127.0.0.1:8080/health", "scope": site.container, "json": {"database": "ok"}},
        {"name": "hosts", "url": "http://cache.internal:8080/health", "scope": site.container},
        {"name": "searched", "url": "http://db:8080/health", "scope": site.container},
        {"name": "closed", "url": "http://127.0.0.1:8081/", "scope": site.container},
        {"name": "nobody", "url": "http://nobody.internal/", "scope": site.container},
        {"name": "host", "url": "http://127.0.0.1:8080/health"},
        {"name": "none", "url": "http://127.0.0.1:8080/", "scope": "no-such-container"},
        {"name": "odd", "url": "http://127.0.0.1:8080/", "scope": "--help"},
    ]
    result = site.run("http_health", probes=probes)
    found = {one["subject"]: (one["status"], one["detail"]["stage"]) for one in result["findings"] if one["check"] == "application"}
    assert found == {
        "own": ("ok", ""), "hosts": ("ok", ""), "searched": ("ok", ""), "closed": ("critical", "refused"), "nobody": ("unknown", "dns"),
        "host": ("critical", "refused"), "none": ("unknown", "no_way"), "odd": ("unknown", "no_way"),
    }, result
    assert result["findings"][0]["detail"]["place"] == f"from inside container {site.container}"


def test_without_root_it_is_unknown(site: Site) -> None:
    os.chmod(site.engine.place, 0o755)
    os.chmod(site.engine.place / "docker.sock", 0o666)
    result = start_module("http_health", env=site.engine.environ, user=NOBODY, probes=[
        {"name": "own", "url": "http://127.0.0.1:8080/health", "scope": site.container}]).result()
    (found,) = [one for one in result["findings"] if one["check"] == "application"]
    assert found["status"] == "unknown" and found["observed"] == "no_way: the network of a container is root's alone", found


def test_what_a_container_reaches_with_its_own_credentials(site: Site, name_server: None) -> None:
    test = f'test "$DATABASE_PASSWORD" = {CANARY}'
    result = site.reach(
        {"name": "own password", "command": ["sh", "-c", test]},
        {"name": "page", "command": "busybox wget -q -O - http://cache.internal:8080/health", "text": "database"},
        {"name": "wrong", "command": ["sh", "-c", "echo password=hunter22 refused >&2; exit 3"]},
        {"name": "other text", "command": ["busybox", "echo", "no"], "text": "yes"},
        {"name": "wanted", "command": ["sh", "-c", "exit 4"], "rc": 4},
        {"name": "late", "command": ["sleep", "60"], "max_time": "1s"}, {"name": "no program", "command": ["no-such-program"]},
        {"name": "db", "port": "db:8080"}, {"name": "shut", "port": "127.0.0.1:9"}, {"name": "lost", "port": "nobody.internal:9"},
    )
    found = {one["subject"].partition(": ")[2]: (one["status"], one["observed"]) for one in result["findings"]}
    assert found == {
        "own password": ("ok", "reached"), "page": ("ok", "reached"), "wanted": ("ok", "reached"), "db": ("ok", "reached"),
        "wrong": ("critical", "status 3, not 0: password=*** refused"), "other text": ("critical", "it does not say 'yes': no"),
        "late": ("critical", "no end within 1 s"), "no program": ("unknown", found["no program"][1]),
        "shut": ("critical", "127.0.0.1: connection refused"),
        "lost": ("critical", "no address of nobody.internal was found: its own name servers know no address of it"),
    }
    assert CANARY not in json.dumps(result) and "hunter22" not in json.dumps(result)
    assert of_event(recorded(result)).checks == result["checks"]


def test_what_has_no_instance_or_no_engine_is_unknown(site: Site) -> None:
    ask = {"name": "x", "command": ["true"]}
    services = [
        {"name": "gone", "runtime": "compose", "where": site.where, "reaches": [ask]},
        {"name": "web", "runtime": "compose", "where": {**site.where, "container_command": "no-engine"}, "reaches": [ask]},
    ]
    assert [one["status"] for one in site.run("service_reach", services=services)["findings"]] == ["unknown", "unknown"]


def test_as_a_user_of_the_host_and_never_with_our_environment() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = f"127.0.0.1:{listening.getsockname()[1]}"
        services = [{"name": "shop", "runtime": "pm2", "where": {"user": "nobody"}, "reaches": [
            {"name": "who", "command": ["id", "-un"], "text": "nobody"},
            {"name": "ours", "command": ["sh", "-c", 'test -z "$SECRET_OF_OURS"']},
            {"name": "port", "port": port}, {"name": "gone", "command": ["no-such-program"]},
        ]}, {"name": "lost", "runtime": "pm2", "where": {"user": "no-such-user"}, "reaches": [{"name": "x", "command": ["true"]}]}]
        result = start_module("service_reach", env={"SECRET_OF_OURS": CANARY}, services=services).result()
        found = {one["subject"]: (one["status"], one["observed"]) for one in result["findings"]}
        assert found["shop: who"] == found["shop: ours"] == found["shop: port"] == ("ok", "reached")
        assert found["shop: gone"][0] == found["lost: x"][0] == "unknown" and "no-such-user" in found["lost: x"][1]
        denied = start_module("service_reach", user=NOBODY, services=[{**services[0], "where": {"user": "daemon"}}]).result()
        assert {one["status"] for one in denied["findings"]} == {"unknown"} and "only root becomes daemon" in denied["findings"][0]["hint"]


def test_as_a_unit_with_its_own_environment() -> None:
    """Its user, its password, and nothing of them in the result; who may not read them does not know."""
    with tempfile.TemporaryDirectory() as made:
        tmp_path = Path(made)
        argv = ["setpriv", "--reuid=65534", "--clear-groups", "env", f"DATABASE_PASSWORD={CANARY}", "sleep", "300"]
        (tmp_path / "command").write_text(json.dumps(argv))
        double = {"SYSTEMCTL_DOUBLE": str(tmp_path), "PATH": f"{DOUBLES}:{os.environ['PATH']}"}
        subprocess.run([str(DOUBLES / "systemctl"), "start", "shop"], env={**os.environ, **double}, check=True, timeout=60)
        try:
            pid = int((tmp_path / "pid").read_text())
            until(lambda: CANARY.encode() in Path(f"/proc/{pid}/environ").read_bytes(), what="the service to have its environment")
            service = {"name": "shop", "reaches": [
                {"name": "password", "command": ["sh", "-c", f'test "$DATABASE_PASSWORD" = {CANARY}']},
                {"name": "user", "command": "id -u", "text": "65534"}, {"name": "port", "port": "127.0.0.1:9"},
            ]}
            result = start_module("service_reach", env=double, services=[service]).result()
            found = {one["subject"]: one["status"] for one in result["findings"]}
            assert found == {"shop: password": "ok", "shop: user": "ok", "shop: port": "critical"}, result
            assert CANARY not in json.dumps(result)
            os.chmod(tmp_path, 0o777)
            os.chmod(tmp_path / "calls", 0o666)
            denied = start_module("service_reach", env=double, user=2, services=[service]).result()
            assert {one["status"] for one in denied["findings"]} == {"unknown"} and "become root" in denied["findings"][0]["hint"], denied
        finally:
            subprocess.run([str(DOUBLES / "systemctl"), "stop", "shop"], env={**os.environ, **double}, check=True, timeout=60)


@pytest.mark.parametrize(("entry", "said"), [
    ({"name": "x"}, "not one of command and port"), ({"name": "x", "command": "true", "port": "a:1"}, "not one of"),
    ({"command": ["true"]}, "has no name"), ({"port": "a"}, "not HOST:PORT"), ({"name": "x", "command": "true", "rc": 256}, "rc is not"),
    ({"name": "x", "command": "true", "txet": "y"}, "there is no key txet"),
    ({"name": "x", "command": "true", "max_time": "0s"}, "max_time"),
])
def test_what_cannot_be_tried_is_refused(entry: dict[str, Any], said: str) -> None:
    result = start_module("service_reach", services=[{"name": "web", "reaches": [entry]}]).result()
    assert result["failed"] and said in result["msg"] and "web" in result["msg"], result
