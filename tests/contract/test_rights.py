# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module and every entry point says what it needs, docs/rights.md shows it, and the kit takes each right away."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from ansible_collections.oncall.incident.plugins.module_utils._core.rights import ACL, KINDS, PURPOSES

from tests.conformance.holders import ALONE, CASES, OUTSIDE, taken_from
from tests.contract.test_conformance import ENGINES as ENGINE_KINDS
from tests.contract.test_conformance import members
from tools import rights_page
from tools.rights_page import NEEDS

ROOT = Path(__file__).resolve().parents[2]
ENGINES = set().union(*(members(*kind)[0] for kind in ENGINE_KINDS.values()))


def test_the_page_is_up_to_date() -> None:
    assert rights_page.PAGE.read_text(encoding="utf-8") == rights_page.page(), "run python -m tools.rights_page"


def test_every_module_says_what_it_needs() -> None:
    there = {path.stem for path in (ROOT / "plugins" / "modules").glob("*.py")}
    assert there == set(NEEDS)
    assert [one.module for one in NEEDS.values() if bool(one.rights) == bool(one.free)] == [], "rights, or a reason why there are none"


@pytest.mark.parametrize("role", rights_page.roles())
def test_every_entry_point_says_what_it_needs(role: str) -> None:
    specs = yaml.safe_load((ROOT / "roles" / role / "meta" / "argument_specs.yml").read_text(encoding="utf-8"))["argument_specs"]
    assert list(rights_page.entry_points(role)) == list(specs)


def test_rights_are_of_what_the_module_knows() -> None:
    paths = [path for path in (ROOT / "plugins" / "module_utils").rglob("*.py") if path.name != "rights.py"]
    sources = [path.read_text(encoding="utf-8") for path in paths]
    for one in NEEDS.values():
        assert one.purpose in PURPOSES and (one.module not in ENGINES or one.answers or one.free), one.module
        for right in one.rights:
            assert right.kind in KINDS and right.without and set(right.of) <= set(one.answers), (one.module, right)
        if one.module in ENGINES:
            # A file's verb is made of an operation: remove_file.
            unknown = [name for name in one.answers
                       if not any(f'"{word}"' in text for word in (name, name.removesuffix("_file")) for text in sources)]
            assert unknown == [], one.module


def test_the_rules_in_the_documentation_are_those_of_the_page() -> None:
    text = " ".join((ROOT / "plugins" / "modules" / "redis_health.py").read_text(encoding="utf-8").split())
    rules = text.partition("ACL SETUSER monitor on >password ")[2].partition(")")[0].split()
    sentinel = text.partition("On a sentinel C(")[2].partition(")")[0].split()
    stated = {right.grant: right.on for right in NEEDS["redis_health"].rights if right.kind == ACL}
    assert {rule for rule in rules if rule != "-@all"} == {grant for grant, on in stated.items() if not on}
    assert set(sentinel) == {*rights_page.EVERYWHERE, *(grant for grant, on in stated.items() if on)}


def test_each_right_is_taken_away() -> None:
    """What is not is named, with the reason."""
    missing = []
    for name in sorted(ENGINES):
        if name in OUTSIDE:
            assert len(OUTSIDE[name].split()) >= 4
            continue
        cases = [case for case in CASES if case.driver.module == name]
        proven = {right.grant for case in cases for right in taken_from(case) if right.grant not in case.unproven}
        left = [right.grant for right in NEEDS[name].rights if right.grant not in proven]
        missing += [f"{name}: {grant}" for grant in left if (name, grant) not in ALONE]
    assert missing == []
    assert [key for key, reason in ALONE.items() if len(reason.split()) < 4] == []
