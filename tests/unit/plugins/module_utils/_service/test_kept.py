# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a snapshot takes of services: by names that stay, events first, and no environment."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import Ran
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service, services_of
from ansible_collections.oncall.incident.plugins.module_utils._service.kept import items_of
from ansible_collections.oncall.incident.plugins.module_utils._snapshot.catalogue import Item, chosen, in_order

SERVICES = services_of([
    {"name": "shop web", "runtime": "compose", "identity": "web", "where": {"project": "shop"}}, {"name": "nginx"},
    {"name": "worker", "runtime": "compose", "where": {"project": "shop", "container_command": ["podman"]}},
    {"name": "mine", "where": {"scope": "user"}},
])


def container(service: str) -> str:
    """What the engine says of one."""
    state = {"Status": "running", "StartedAt": "2026-11-29T10:00:00Z", "Pid": 12}
    return json.dumps(["c0ffee", "/c", 0, state, "", "", "no", "none", {}, "False", service, "shop", "/opt/shop", "", None])


def run(argv: Sequence[str]) -> Ran:
    """Docker has a container of the service web; nobody answers podman."""
    if argv[0] == "podman":
        return Ran(problem="permission denied")
    return Ran(out="c0ffee\n" if "ps" in argv else container("web"))


def items(services: Sequence[Service] = SERVICES, since: float | None = None) -> dict[str, Item]:
    """The items by name, in their order."""
    return {item.name: item for item in in_order(items_of(services, since=since, run=run))}


def test_events_come_first_then_states_then_logs() -> None:
    found = items()
    assert list(found) == [
        "services1_compose_events", "services2_compose_events", "services1_compose_state", "services2_compose_state",
        "services3_systemd_state", "services4_systemd_state",
        "service01_shop_web_logs", "service03_worker_logs", "service02_nginx_logs", "service04_mine_logs",
    ]
    ((*_shell, identity, _end, engine),) = found["service01_shop_web_logs"].commands
    assert (identity, engine) == ("c0ffee", "docker")
    assert found["services2_compose_state"].commands == (("podman", "ps", "--all", "--no-trunc"),), "it says what is in the way"
    assert "--user-unit=mine" in found["service04_mine_logs"].commands[0]
    said = " ".join(word for item in found.values() for argv in item.commands for word in argv)
    assert "Env" not in said and "ExecStart," not in said and "event=exec" not in said


def test_an_item_keeps_its_name_where_there_is_nothing_to_take() -> None:
    """The rest of a snapshot asks by name for what was deferred, after a restart."""
    found = items()
    assert found["service03_worker_logs"].commands == ()
    assert chosen(list(found.values()), only=["service03_worker_logs"]) == []


def test_a_runtime_without_commands_has_its_instances_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    from ansible_collections.oncall.incident.plugins.module_utils._service.runtimes import compose

    monkeypatch.delattr(compose, "evidence")
    found = items()
    assert json.loads(found["services1_compose_state"].text)["id"] == "c0ffee"
    assert "permission denied" in json.loads(found["services2_compose_state"].text)["unknown"]
    assert [name for name in found if "compose" in name or "shop" in name] == ["services1_compose_state", "services2_compose_state"]


def test_since_when() -> None:
    (argv,) = items(since=1000.5)["services1_compose_events"].commands
    assert argv[argv.index("--since") + 1] == "1000"
    (argv,) = items()["services1_compose_events"].commands
    assert argv[argv.index("--since") + 1] == "1h"
    assert items([]) == {}
