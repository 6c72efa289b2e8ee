# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lease of the role certificate and the lock of cert_renew have one name: else two runs could renew the same certificates."""

from __future__ import annotations

from pathlib import Path

import jinja2
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._certificate.renewal.renew import subject

ROOT = Path(__file__).resolve().parents[2]


def test_the_roles_lease_has_the_same_name() -> None:
    variables = yaml.safe_load((ROOT / "roles" / "certificate" / "vars" / "main.yml").read_text())
    told = jinja2.Environment(autoescape=True).from_string(variables["__certificate_subject"])
    assert told.render(certificate_config_dir="/nowhere/letsencrypt") == subject("/nowhere/letsencrypt")
