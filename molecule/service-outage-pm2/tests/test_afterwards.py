# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""After the drill, seen from outside: the application is well, its worker runs, and what was well was not touched."""

from __future__ import annotations

import json

from tests.support.drilled import Lab
from tests.support.unharmed import check_unharmed

LAB = Lab(__file__)
PM2 = "su shop --shell /bin/sh -c 'PM2_HOME=/home/shop/.pm2 /opt/pm2/node_modules/.bin/pm2 jlist --silent'"


def test_the_application_is_well() -> None:
    said = LAB.said("app1", "curl --silent --max-time 5 --write-out ' %{http_code}' http://localhost:8080/health").split()
    assert said == ["well", "200"]


def test_every_app_runs() -> None:
    apps = json.loads(LAB.said("app1", PM2).splitlines()[-1])
    assert sorted((one["name"], one["pm2_env"]["status"]) for one in apps) == [
        ("shop", "online"), ("shop", "online"), ("store", "online"), ("worker", "online")]


def test_what_was_well_is_the_same() -> None:
    check_unharmed(LAB.host("app1"), ["unit pm2-shop", "app store"])
