# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import datetime
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.model import Cert
from ansible_collections.oncall.incident.plugins.module_utils._certificate.decisions.renewal import (
    Lineage,
    certbot_command,
    due_thresholds,
    lineages_from,
    problems,
    renewals,
    why_due,
)
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)  # noqa: UP017
DAY = datetime.timedelta(days=1)
LINEAGE = Lineage(name="a", certificate="/c.pem", key="/k.pem", thresholds=due_thresholds(days=21, percent=25))


def cert(*, since: float = -60, until: float = 30, names: tuple[str, ...] = ("www.example.org",), **more: Any) -> Cert:
    """A certificate with its dates in days from now."""
    return Cert(
        subject="CN=a", issuer="CN=i", subject_id="a", issuer_id="i", serial="01", fingerprint=f"{since}{until}{names}",
        not_before=NOW + since * DAY, not_after=NOW + until * DAY, dns_names=names, **more,
    )


ISSUER = dataclasses.replace(cert(), subject_id="i", issuer_id="r", is_ca=True)


@pytest.mark.parametrize(("since", "until", "due"), [
    (-60, 30, False), (-70, 20, True), (-90, -1, True), (-2, 4, False), (-5, 1, True), (-180, 20, True), (-370, 28, False),
    (0, 90, False),
])
def test_due_by_days_or_share_whichever_is_later(since: float, until: float, due: bool) -> None:
    assert bool(why_due(LINEAGE, [cert(since=since, until=until)], now=NOW)) is due


def test_why_it_is_due() -> None:
    assert why_due(LINEAGE, [], now=NOW) == "There is no readable certificate in /c.pem."
    assert why_due(LINEAGE, [cert(until=-2)], now=NOW) == "It expired 2d ago."
    assert why_due(LINEAGE, [cert(until=2, since=-88)], now=NOW) == "It expires in 2d, of 90d."
    assert why_due(dataclasses.replace(LINEAGE, force=True), [cert()], now=NOW) == "Its renewal was asked for."
    assert why_due(dataclasses.replace(LINEAGE, force=True), [cert(until=-2)], now=NOW) == "It expired 2d ago."


OLD = cert(until=-1)
GOOD = cert(since=0, until=90)


@pytest.mark.parametrize(("after", "key_problem", "said"), [
    ([GOOD, ISSUER], "", []),
    ([], "", ["/c.pem holds no readable certificate"]),
    ([GOOD, ISSUER], "wrong key", ["wrong key"]),
    ([cert(since=0, until=90, names=("api.example.org",)), ISSUER], "", ["it is not for www.example.org"]),
    ([cert(since=0, until=90, names=("*.example.org",)), ISSUER], "", []),
    ([cert(since=-9, until=-0.5), ISSUER], "", ["it expired 12h ago"]),
    ([cert(since=1, until=90), ISSUER], "", ["it is not valid yet, only in 1d"]),
    ([cert(since=0.0005, until=90), ISSUER], "", []),
    ([cert(since=-9, until=-2), ISSUER], "", ["it expired 2d ago", "it does not live longer than the one before"]),
    ([GOOD], "", ["the certificates between it and the root are missing from the file"]),
    ([ISSUER, GOOD], "", ["the first certificate of the file is a CA's", "it is not for"]),
])
def test_what_may_be_served(after: list[Cert], key_problem: str, said: list[str]) -> None:
    found = problems(LINEAGE, before=[OLD, ISSUER], after=after, key_problem=key_problem, now=NOW)
    if after and after[0] is ISSUER:
        assert found[0] == said[0]
    else:
        assert found == said


def test_a_leaf_alone_is_enough_where_it_was_before() -> None:
    assert problems(LINEAGE, before=[OLD], after=[GOOD], key_problem="", now=NOW) == []
    assert problems(LINEAGE, before=[], after=[GOOD], key_problem="", now=NOW) == []


def test_the_names_that_are_stated_count_for_more_than_those_of_before() -> None:
    lineage = dataclasses.replace(LINEAGE, names=("shop.example.org",))
    assert problems(lineage, before=[OLD], after=[GOOD], key_problem="", now=NOW) == ["it is not for shop.example.org"]


def test_forced_it_need_not_live_longer() -> None:
    lineage = dataclasses.replace(LINEAGE, force=True)
    assert problems(lineage, before=[cert(until=80)], after=[cert(since=0, until=70)], key_problem="", now=NOW) == []


def make(*found: dict[str, Any], **more: Any) -> list[Lineage]:
    """Lineages with certbot's defaults."""
    return lineages_from(found, **{
        "config_dir": "/etc/letsencrypt", "certbot": ["certbot"], "certbot_args": [], "validate": ["nginx", "-t"], "force": [],
        "thresholds": LINEAGE.thresholds, **more,
    })


def test_certbots_own_places() -> None:
    (one,) = make({"name": "a.example.org"})
    assert one.certificate == "/etc/letsencrypt/live/a.example.org/fullchain.pem"
    assert one.keep == (
        "/etc/letsencrypt/live/a.example.org", "/etc/letsencrypt/archive/a.example.org", "/etc/letsencrypt/renewal/a.example.org.conf",
    )
    assert one.command == ("certbot", "renew", "--cert-name", "a.example.org", "--non-interactive", "--no-random-sleep-on-renew")
    assert one.validate == ("nginx", "-t")


def test_another_client() -> None:
    (one,) = make({"name": "a", "certificate": "/t/c.pem", "key": "/t/k.pem", "command": ["renew", "-d", "{name}"], "keep": ["/t/x"],
                   "validate": []}, force=["a"])
    assert one.command == ("renew", "-d", "a")
    assert one.keep == ("/t/c.pem", "/t/k.pem", "/t/x")
    assert (one.validate, one.force) == ((), True)


def test_force_only_for_whom_it_is_said() -> None:
    forced = [one.name for one in make({"name": "a"}, {"name": "b"}, force=["b"]) if "--force-renewal" in one.command]
    assert forced == ["b"]
    assert "--force-renewal" not in certbot_command("a", certbot=["certbot"], args=[], config_dir="/x", force=False)


@pytest.mark.parametrize("found", [
    [{"name": ""}], [{"name": "a/b"}], [{"name": "--all"}], [{"name": ".."}], [{"name": "a"}, {"name": "a"}],
    [{"name": "a", "key": "k.pem"}],
])
def test_what_is_no_lineage(found: list[dict[str, Any]]) -> None:
    with pytest.raises(BadInput):
        make(*found)


@pytest.mark.parametrize(("days", "percent"), [(-1, 25), (21, 101), (float("nan"), 25)])
def test_senseless_times_are_refused(days: float, percent: float) -> None:
    with pytest.raises(BadInput):
        due_thresholds(days=days, percent=percent)


def test_senseless_limits_are_refused() -> None:
    with pytest.raises(BadInput, match="max_renewals"):
        renewals(-1, spent=0)
    assert renewals(3, spent=2).allowance(5) == 1
