# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventories of the systems that renew certificates: documented variables, lineages and endpoints that the modules take."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewal import due_thresholds, lineages_from
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.targets import parse_endpoint
from ansible_collections.oncall.incident.plugins.modules import cert_renew
from ansible_collections.oncall.incident.plugins.plugin_utils._frame.specs import load_options, value_errors

ROOT = Path(__file__).resolve().parents[2]
RENEWING = ["chitlaq", "matrixon"]


def variables(name: str) -> dict[str, Any]:
    """The variables of the group web."""
    found: dict[str, Any] = yaml.safe_load((ROOT / "inventories" / name / "group_vars" / "web.yml").read_text())
    return found


@pytest.mark.parametrize("name", RENEWING)
def test_variables_are_documented_and_of_their_type(name: str) -> None:
    options = load_options(ROOT / "roles", "certificate")
    found = variables(name)
    assert set(found) <= set(options)
    assert value_errors(found, options) == []


@pytest.mark.parametrize("name", RENEWING)
def test_the_modules_take_them(name: str) -> None:
    found = variables(name)["certificate_lineages"]
    taken = set(cert_renew.argument_spec()["lineages"]["options"])
    for one in found:
        assert set(one) - {"endpoints", "service"} <= taken
        assert [parse_endpoint(item, {}, where="endpoints") for item in one["endpoints"]]
    lineages_from(
        found, config_dir="/etc/letsencrypt", certbot=["certbot"], certbot_args=[], validate=[], force=[],
        thresholds=due_thresholds(days=21, percent=25),
    )


def test_the_role_and_the_module_promise_the_same() -> None:
    """Limits that users were promised: to change one is a decision, not a slip."""
    spec = cert_renew.argument_spec()
    defaults = yaml.safe_load((ROOT / "roles" / "certificate" / "defaults" / "main.yml").read_text())
    same = ("due_days", "due_percent", "max_renewals", "max_failures", "failure_window", "backup_dir", "config_dir", "certbot", "force")
    for name in same:
        assert defaults[f"certificate_{name}"] == spec[name]["default"], name
    assert (spec["max_renewals"]["default"], spec["max_failures"]["default"], spec["force"]["default"]) == (3, 3, [])
    assert "default" not in spec["approved"]
    assert json.dumps(defaults["certificate_validate"]) == '["nginx", "-t"]'
