# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which silences may be made, and which are ours to end."""

from __future__ import annotations

import dataclasses
import typing as t

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._maintenance.decisions.silences import (
    ACTIVE,
    CREATOR,
    EXPIRED,
    Made,
    Matcher,
    Order,
    Silence,
    change_of,
    read_matchers,
    sight,
    tag_of,
)

SHOP = (Matcher("service", "shop"),)
NOW, AM = 1_800_000_000.0, "alertmanager:http://192.0.2.1:9093"
ORDER = Order(SHOP, 3600.0, reason="Maintenance of shop.", run="7", who="ann", most=2)


def ours(**more: t.Any) -> Silence:
    made = Silence("a1", SHOP, NOW + 3600, ACTIVE, by=CREATOR, comment=ORDER.comment(tag_of(ORDER, resource=AM)))
    return dataclasses.replace(made, **more)


@pytest.mark.parametrize("given", [
    [], [{"name": "service", "value": ""}], [{"name": "alertname", "value": ".*", "is_regex": True}],
    [{"name": "alertname", "value": ".+", "is_regex": True}], [{"name": "alertname", "value": ".*|Shop", "is_regex": True}],
    [{"name": "severity", "value": "page", "is_equal": False}],
    [{"name": "alertname", "value": "[^x]*", "is_regex": True, "is_equal": False}],
    [{"name": "service", "value": "(", "is_regex": True}], [{"name": "ser vice", "value": "shop"}],
])
def test_what_fits_every_alert_is_refused(given: list[dict[str, t.Any]]) -> None:
    with pytest.raises(BadInput):
        read_matchers(given)


def test_one_that_says_which_is_enough() -> None:
    wide = {"name": "alertname", "value": ".+", "is_regex": True}
    found = read_matchers([wide, {"name": "service", "value": "shop|till", "is_regex": True}])
    assert [str(one) for one in found] == ['alertname=~".+"', 'service=~"shop|till"']
    assert str(Matcher("a", 'q"\\', equal=False)) == 'a!="q\\"\\\\"' and str(Matcher("a", "b", regex=True, equal=False)) == 'a!~"b"'


def test_the_plan_says_how_many_alerts_and_the_limit_counts_them() -> None:
    seen = sight(ORDER, resource=AM, now=NOW, alerts=["Down", "Down", "Slow"])
    (one,) = seen.candidates
    assert (one.action.target["active_alerts"], one.uses, seen.limits[0].most) == (3, {"max_alerts": 3}, 2)
    assert "3 active alerts" in one.action.name and "Down, Slow" in one.action.reason
    assert one.action.temporary is not None and (one.action.temporary["ends"], one.action.temporary["lasts"]) == ("api", 3600.0)
    fewer = sight(ORDER, resource=AM, now=NOW).candidates[0]
    assert fewer.action.id == one.action.id, "how many fire is not part of what is approved"


@pytest.mark.parametrize(("there", "outcome"), [
    (ours(), "not_needed"), (ours(ends=NOW + 60), "not_needed"), (ours(state=EXPIRED), "planned"),
    (ours(by="bob", comment="by hand", ends=NOW + 7200), "not_needed"), (ours(by="bob", comment="by hand", ends=NOW + 60), "planned"),
    (ours(matchers=(Matcher("service", "till"),)), "planned"),
])
def test_a_silence_is_not_doubled(there: Silence, outcome: str) -> None:
    assert sight(ORDER, there=[there], resource=AM, now=NOW).candidates[0].action.outcome == outcome


@pytest.mark.parametrize(("there", "outcome"), [
    (ours(), "planned"), (ours(state=EXPIRED), "not_needed"), (ours(ends=NOW + 9000), "moved_on"),
    (ours(by="bob", comment="mine now"), "moved_on"), (ours(id="b2"), "not_needed"),
])
def test_a_change_is_undone_while_it_is_as_it_was_made(there: Silence, outcome: str) -> None:
    made = Made(change="x", id="a1", ends=NOW + 3600)
    assert sight(made=made, there=[there], resource=AM, now=NOW).candidates[0].action.outcome == outcome


def test_of_an_answer_that_was_lost_the_tag_tells_it() -> None:
    made = Made(change="x", tag=tag_of(ORDER, resource=AM))
    assert sight(made=made, there=[ours()], resource=AM, now=NOW).candidates[0].target.id == "a1"
    assert sight(made=dataclasses.replace(made, tag="other"), there=[ours()], resource=AM, now=NOW).candidates[0].undecided is False


def test_without_a_change_those_of_the_run_are_ended_and_name_their_change() -> None:
    other = ours(id="b2", comment=dataclasses.replace(ORDER, run="8").comment("t"))
    there = [ours(), other, ours(id="c3", by="bob", comment="by hand")]
    assert [one.target.id for one in sight(made=Made(matchers=SHOP, run="7"), there=there, resource=AM, now=NOW).candidates] == ["a1"]
    assert [one.target.id for one in sight(made=Made(matchers=SHOP), there=there, resource=AM, now=NOW).candidates] == ["a1", "b2"]
    assert change_of(ours(), resource=AM) == sight(ORDER, resource=AM, now=NOW).candidates[0].action.id
