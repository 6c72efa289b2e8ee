# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host's list `services` holds probes with headers, and commands with credentials. No result shows them: Ansible adds the arguments."""

from __future__ import annotations

import json

import pytest
import yaml

from tests.support.run_module import ROOT, run_module

SECRET = "s3cret-of-a-test-9f1"
SERVICE = {
    "name": "web", "runtime": "command", "where": {"status": ["true"]},
    "health": [{"name": "up", "url": f"http://user:{SECRET}@127.0.0.1:1/?token={SECRET}",
                "headers": {"Authorization": f"Bearer {SECRET}"}}],
    "reaches": [{"name": "db", "command": ["true", SECRET]}],
}


#: Their `service` is what service_instances returned.
OTHERS = {"pg_restart_check", "redis_restart_check"}


def who_takes_services() -> dict[str, str]:
    """The modules that take a list of services, or one of it, and by which option."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "plugins/modules").glob("*.py")):
        if path.stem in OTHERS:
            continue
        text = path.read_text(encoding="utf-8").partition('DOCUMENTATION = r"""')[2].partition('"""')[0]
        options = yaml.safe_load(text).get("options") or {}
        for name in ("services", "service"):
            if (options.get(name) or {}).get("type") in ("list", "dict"):
                found[path.stem] = name
    return found


def test_they_are_found() -> None:
    assert {"service_health", "service_instances", "service_reach", "snapshot"} <= set(who_takes_services())


@pytest.mark.parametrize("module", who_takes_services())
def test_no_result_shows_a_secret_of_a_service(module: str, tmp_path: object) -> None:
    option = who_takes_services()[module]
    more = {"only": ["none"], "spool": str(tmp_path), "local": True} if module == "snapshot" else {}
    wrong = {**SERVICE, "no_such_key": 1}
    for entry in (SERVICE, wrong):
        said = json.dumps(run_module(module, **{option: [entry] if option == "services" else entry}, **more))
        assert "web" in said, "the entry is in the result, so that its secrets might be"
        assert SECRET not in said
