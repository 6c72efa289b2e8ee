# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The list of a host's services is read whole, or refused by the name of what is wrong in it."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._service.decisions.services import Service, services_of


def test_what_is_not_said_is_the_usual() -> None:
    first, second = services_of([
        {"name": "web", "order": 2, "desired": None}, {"name": "db", "identity": "postgresql@15-main", "one_shot": False},
    ])
    assert first == Service(name="db", identity="postgresql@15-main")
    assert second == Service(name="web", identity="web", order=2)
    (job,) = services_of([{
        "name": "migrate", "runtime": "compose", "where": {"directory": "/opt/shop"}, "one_shot": True, "depends_on": ["db"], "desired": 0,
    }])
    assert (job.one_shot, job.where, job.depends_on, job.desired) == (True, {"directory": "/opt/shop"}, ("db",), 0)


@pytest.mark.parametrize(("entries", "says"), [
    ("web", "services: this is not a list"), (["web"], "entry 1: this is not a mapping"), ([{}], "entry 1: it has no name"),
    ([{"name": "web"}, {"name": "web"}], "the name web is there twice"), ([{"name": 3}], "name is not a text"),
    ([{"name": "web", "replicas": 2}], r"entry 1 \(web\): there is no key replicas"),
    ([{"name": "web", "runtime": "docker"}], "runtime docker is not known"), ([{"name": "web", "identity": " "}], "identity is not a text"),
    ([{"name": "web", "where": "/opt"}], "where is not a mapping"), ([{"name": "web", "health": {}}], "health is not a list"),
    ([{"name": "web", "desired": -1}], "desired is not a whole number"), ([{"name": "web", "desired": True}], "desired is not a whole"),
    ([{"name": "web", "pool": "20"}], "pool is not a whole number"), ([{"name": "web", "one_shot": "yes"}], "one_shot is neither"),
    ([{"name": "web", "where": {"directory": "/opt/shop"}}], r"\(web\): where has the key directory, which runtime systemd does not know"),
    ([{"name": "web", "runtime": "compose", "where": {"directroy": "/opt"}}], "where has the key directroy, which runtime compose"),
    ([{"name": "web", "runtime": "compose", "where": {"directory": 3}}], "where.directory is not a text"),
    ([{"name": "web", "where": {"daemon": "yes"}}], "where.daemon is not true or false"),
    ([{"name": "web", "nonessential": 1}], "nonessential is neither"), ([{"name": "a"}, {"name": "b", "x": 1}], r"entry 2 \(b\)"),
])
def test_what_is_refused(entries: Any, says: str) -> None:
    with pytest.raises(BadInput, match=says):
        services_of(entries)
