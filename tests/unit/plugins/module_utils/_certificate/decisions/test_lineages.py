# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.lineages import (
    renewable,
    server_commands,
    targets,
    unloadable,
    verify_checks,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput

LIVE, NGINX = "/etc/letsencrypt/live", "nginx"
WWW = {"path": f"{LIVE}/www/fullchain.pem", "names": []}


def found(lineages: list[Any], **more: Any) -> dict[str, Any]:
    """The targets with these lineages."""
    return targets(lineages, live=LIVE, service=NGINX, **{"pairs": [], "files": [], "endpoints": [], **more})


def test_a_lineage_is_looked_at_in_its_file_and_at_its_endpoints() -> None:
    made = found([{"name": "www", "endpoints": ["192.0.2.10:443", {"host": "192.0.2.11"}]},
                  {"name": "mail", "endpoints": ["192.0.2.10:25"], "certificate": "/m.pem", "names": ["m.example.org"], "service": "exim"}])
    mail = {"path": "/m.pem", "names": ["m.example.org"]}
    assert made["pairs"] == [
        {"endpoint": "192.0.2.10:443", "file": WWW, "reload": NGINX}, {"endpoint": {"host": "192.0.2.11"}, "file": WWW, "reload": NGINX},
        {"endpoint": "192.0.2.10:25", "file": mail, "reload": "exim"},
    ]
    assert made["files"] == []
    assert made["places"] == ["192.0.2.10:443", {"host": "192.0.2.11"}, "192.0.2.10:25", WWW, WWW, mail]


def test_a_lineage_that_nobody_serves_here_is_a_file() -> None:
    made = found([{"name": "www"}, {"name": "db", "endpoints": None, "certificate": "", "service": None}], files=["/a.pem"])
    assert made["pairs"] == []
    assert made["files"] == [WWW, {"path": f"{LIVE}/db/fullchain.pem", "names": []}, "/a.pem"]


@pytest.mark.parametrize(("more", "places", "what"), [
    ({}, [], "Certificates (none is named)"),
    ({"endpoints": "192.0.2.1:443, 192.0.2.2:443"}, ["192.0.2.1:443", "192.0.2.2:443"], "Certificates"),
    ({"endpoints": ["192.0.2.1:443"], "files": "/a.pem", "pairs": [{"endpoint": "192.0.2.3:443", "file": "/b.pem"}]},
     ["192.0.2.3:443", "192.0.2.1:443", "/b.pem", "/a.pem"], "Certificates"),
])
def test_further_targets(more: dict[str, Any], places: list[Any], what: str) -> None:
    made = found([], **more)
    assert made["places"] == places and made["what"] == what


IN_POD = ["podman", "exec", "nginx"]


@pytest.mark.parametrize(("lineage", "inside", "taken"), [
    ({"endpoints": ["192.0.2.1:443"], "names": ["a"], "reload_command": ["x"]}, [], {"names": ["a"]}),
    ({"service": "nginx"}, IN_POD, {}),
    # What is stated for one service is nothing to another: that one is not asked.
    ({"service": "haproxy"}, IN_POD, {"validate": []}),
    ({"service": "haproxy", "validate": ["haproxy", "-c"]}, [], {"validate": ["haproxy", "-c"]}),
    ({"service": "haproxy", "validate": ["haproxy", "-c"]}, IN_POD, {"validate": ["podman", "exec", "haproxy", "haproxy", "-c"]}),
    ({"validate": ["nginx", "-t", "-c", "x"]}, IN_POD, {"validate": [*IN_POD, "nginx", "-t", "-c", "x"]}),
    ({"validate": []}, IN_POD, {"validate": []}),
    ({"validate": None}, [], {"validate": []}),
])
def test_what_the_renewing_module_takes(lineage: dict[str, Any], inside: list[str], taken: dict[str, Any]) -> None:
    made = renewable([{"name": "www", **lineage}], service=NGINX, validate=["nginx", "-t"], inside=inside)
    assert made == {
        "lineages": [{"name": "www", **taken}], "validate": [*inside, "nginx", "-t"], "servers": [lineage.get("service", NGINX)],
    }


def test_nobody_is_asked_without_a_command() -> None:
    assert renewable([], service=NGINX, validate=[], inside=IN_POD) == {"lineages": [], "validate": [], "servers": []}


@pytest.mark.parametrize(("outcome", "blind", "refused"), [
    ("planned", ["nginx"], True), ("planned", ["exim"], False), ("not_needed", ["nginx"], False), ("planned", [], False),
])
def test_nothing_is_renewed_whose_server_cannot_be_looked_at(outcome: str, blind: list[str], refused: bool) -> None:
    due = {"actions": [{"target": {"name": "www"}, "outcome": outcome}]}
    seen = [{"item": name, **({"error": "blind", "msg": "It is not there."} if name in blind else {})} for name in ("nginx", "exim")]
    said = unloadable(due, seen=seen, lineages=[{"name": "www"}, {"name": "mail", "service": "exim"}], service=NGINX)
    assert ("nginx: It is not there." in said) is refused and bool(said) is refused


def test_before_it_is_known_what_is_due_everything_may_be() -> None:
    seen = [{"item": "nginx", "error": "blind", "msg": "It is not there."}]
    assert unloadable({}, seen=seen, lineages=[{"name": "www"}], service=NGINX)
    assert not unloadable({}, seen=[{"item": "nginx"}], lineages=[{"name": "www"}], service=NGINX)


def test_without_a_service_nothing_is_reloaded() -> None:
    assert renewable([{"name": "www"}], service="", validate=[], inside=[])["servers"] == []


LINEAGES = [
    {"name": "a"}, {"name": "b", "service": "haproxy", "validate": []}, {"name": "d", "service": "exim"},
    {"name": "c", "service": "haproxy", "validate": ["haproxy", "-c"], "reload_command": ["kill"]},
]


@pytest.mark.parametrize(("server", "validate", "reload_command"), [
    ("nginx", ["nginx", "-t"], ["nginx", "-s"]), ("haproxy", ["haproxy", "-c"], ["kill"]), ("exim", [], []), ("other", [], []),
])
def test_how_a_server_is_asked(server: str, validate: list[str], reload_command: list[str]) -> None:
    commands = server_commands(LINEAGES, server=server, service=NGINX, validate=["nginx", "-t"], reload_command=["nginx", "-s"])
    assert commands == {"validate": validate, "reload_command": reload_command}


@pytest.mark.parametrize(("checks", "pairs", "awaited"), [
    (["expired", "stale_in_memory"], [{}], ["expired", "stale_in_memory"]),
    ("expired, stale_in_memory,expired", [], ["expired"]),
])
def test_nobody_can_be_stale_without_a_pair(checks: Any, pairs: list[Any], awaited: list[str]) -> None:
    assert verify_checks(checks, pairs=pairs) == awaited


@pytest.mark.parametrize(("checks", "said"), [([], "names no check."), ("stale_in_memory", "names no check but stale_in_memory")])
def test_nothing_asked_is_refused(checks: Any, said: str) -> None:
    with pytest.raises(BadInput, match=f"certificate_verify_checks {said}"):
        verify_checks(checks, pairs=[])
