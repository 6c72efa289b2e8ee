# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.recovery import not_recovered
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.reloading import reloads

LIVE, NGINX = "/live", "nginx"
ONE, TWO = "192.0.2.10:443", "192.0.2.11:443"
FILE = "/live/www/fullchain.pem"
LINEAGES = [{"name": "www"}, {"name": "mail", "service": "exim"}]


def stale(server: str = ONE, file: str = FILE, *, newer: bool = True, reload: str = "nginx") -> dict[str, Any]:
    """A server that does not serve its file."""
    return {"check": "stale_in_memory", "status": "critical", "subject": server,
            "detail": {"file": file, "file_is_newer": newer, "reload": reload}}


def wrong(subject: str, check: str = "name_mismatch", status: str = "critical") -> dict[str, Any]:
    """Something about a server or a file."""
    return {"check": check, "status": status, "subject": subject, "detail": {}}


def renewal(*outcomes: str) -> dict[str, Any]:
    """A result of cert_renew: one action a lineage."""
    return {"actions": [
        {"outcome": outcome, "target": {"name": LINEAGES[number]["name"]}} for number, outcome in enumerate(outcomes)
    ]}


def decide(*findings: dict[str, Any], renewed: dict[str, Any] | None = None) -> dict[str, Any]:
    """What is made of these findings."""
    return reloads({"findings": list(findings)}, renewed=renewed or {}, lineages=LINEAGES, live=LIVE, service=NGINX)


OLDER = "It serves an older certificate than the one on the disk: "


@pytest.mark.parametrize(("findings", "renewed", "services", "why"), [
    ([], {}, [], ""),
    ([stale(), stale(TWO), stale()], {}, ["nginx"], f"{OLDER}{ONE}, {TWO}."),
    ([stale(reload="exim"), stale(TWO, reload="")], {}, ["exim", "nginx"], f"{OLDER}{ONE}, {TWO}."),
    # An older file is nothing to load.
    ([stale(newer=False)], {}, [], ""),
    ([], renewal("done", "planned"), ["nginx", "exim"], "Its certificate is renewed: www, mail."),
    ([], renewal("not_needed", "failed"), [], ""),
    ([stale()], renewal("not_needed", "done"), ["nginx", "exim"], f"{OLDER}{ONE}. Its certificate is renewed: mail."),
    ([], {"skipped": True}, [], ""),
])
def test_whom_to_reload_and_why(findings: list[Any], renewed: dict[str, Any], services: list[str], why: str) -> None:
    made = decide(*findings, renewed=renewed)
    assert made == {"services": services, "why": why, "refused": []}


def test_a_skipped_look_reloads_nobody() -> None:
    made = reloads({"skipped": True}, renewed={}, lineages=LINEAGES, live=LIVE, service=NGINX)
    assert made["services"] == []


def test_a_file_that_is_wrong_where_what_is_served_is_not_is_not_loaded() -> None:
    made = decide(stale(), stale(TWO, "/other.pem", reload="exim"), wrong(FILE), wrong(FILE, "untrusted"), wrong(FILE, "expiring"),
                  wrong(FILE, "weak_key", "warning"), wrong(ONE, "untrusted"))
    assert made["services"] == ["exim"] and made["why"] == f"{OLDER}{TWO}."
    assert made["refused"] == [{
        "file": FILE, "server": ONE, "service": "nginx", "checks": ["name_mismatch"],
        "message": f"nginx is not reloaded: {FILE} is newer than what {ONE} serves, and wrong: name_mismatch.",
    }]


def test_a_service_that_must_not_load_one_file_is_not_reloaded_for_another() -> None:
    made = decide(stale(reload=""), stale(TWO, "/other.pem"), wrong(FILE))
    assert made["services"] == [] and made["refused"][0]["service"] == NGINX


def test_what_is_wrong_with_both_keeps_nobody_from_loading_it() -> None:
    assert decide(stale(), wrong(FILE), wrong(ONE))["services"] == ["nginx"]


def test_what_a_renewal_replaced_is_judged_by_the_renewal() -> None:
    made = decide(stale(), wrong(FILE), renewed=renewal("done"))
    assert made["refused"] == [] and made["services"] == ["nginx"]


def found(check: str, status: str, subject: str = ONE) -> dict[str, Any]:
    """A finding as in results."""
    return {"check": check, "status": status, "subject": subject}


@pytest.mark.parametrize(("verified", "text"), [
    ({"held": True, "waited": 3.2, "findings": [found("expired", "ok"), found("weak_key", "critical")], "new": {}}, ""),
    ({"held": True, "findings": []}, ""),
    ({"held": False, "waited": 60.4, "findings": [
        found("expired", "critical"), found("weak_key", "critical"), found("stale_in_memory", "unknown", TWO)]},
     f"Not recovered within 60 s: expired {ONE}, stale_in_memory {TWO}."),
    ({"held": False, "findings": [found("expired", "ok")]}, "Not recovered within 0 s: the checks did not hold."),
    ({"held": True, "findings": [], "new": {"weak_key": "critical", "expiring": "warning"}},
     "Worse than at the start: expiring warning, weak_key critical."),
    ({"held": False, "waited": 5, "findings": [found("expired", "warning")], "new": {"expired": "warning"}},
     f"Not recovered within 5 s: expired {ONE}. Worse than at the start: expired warning."),
])
def test_why_they_are_not_recovered(verified: dict[str, Any], text: str) -> None:
    assert not_recovered(verified, checks=["expired", "stale_in_memory"]) == text
