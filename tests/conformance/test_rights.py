# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every module with exactly the rights that docs/rights.md says, on the real thing; and with each one of them taken away."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import CHANGED_OUTCOMES
from ansible_collections.oncall.incident.plugins.module_utils._core.rights import Right
from redis.exceptions import NoPermissionError

from tests.conformance.conftest import Staged
from tests.conformance.holders import CASES, Case, PgHealth, RedisHealth, rights_of, taken_from
from tests.conformance.kit import Health
from tests.support.run_module import run_module
from tests.support.until import until
from tools.rights_page import PAGE, USERS

#: With every right, or without one of them.
STEPS = [(case, None) for case in CASES] + [(case, right) for case in CASES for right in taken_from(case)]


def named(step: tuple[type[Case], Right | None]) -> str:
    case, right = step
    return f"{case.driver.module}-{case.__name__}-{'all' if right is None else 'no-' + right.grant.partition(' <')[0].replace(' ', '-')}"


def said_in(result: dict[str, Any]) -> str:
    return json.dumps({key: value for key, value in result.items() if key != "invocation"}, ensure_ascii=False)


@pytest.mark.parametrize("step", STEPS, ids=named)
def test_rights(step: tuple[type[Case], Right | None], staged: Staged) -> None:
    kind, missing = step
    if missing is not None and missing.grant in kind.unproven:
        pytest.skip(f"{missing.grant} cannot be taken away from {kind.driver.module}: {kind.unproven[missing.grant]}")
    case = kind(staged(kind.driver))
    with case.scene():
        if isinstance(case.on, Health):
            judges(case, missing)
        else:
            acts(case, missing)


def names_it(said: dict[str, Any], missing: Right, case: Case) -> None:
    text = said_in(said)
    paths = [str(path) for path in case.places().get(missing.grant, ())]
    assert not paths or any(path in text for path in paths), f"without {missing.grant} it does not name {paths}: {text}"
    for words in (missing.named or missing.grant, *re.findall(r"`([^`]+)`", missing.without)):
        assert words in text, f"without {missing.grant} it does not say {words!r}: {text}"


def judges(case: Case, missing: Right | None) -> None:
    with case.holding([right for right in rights_of(type(case)) if right is not missing]) as run:
        said = run()
    if missing is None or not missing.of:
        unseen = [one for one in said["findings"] if one["status"] == "unknown" and one["asked"]]
        hidden = [one for one in said["skipped_checks"] if one["kind"] == "could_not_look" and one["check"] in said["asked"]]
        assert "failed" not in said and unseen == [] and hidden == [], said
        return
    if not said.get("failed"):
        assert said["healthy"] is not True and said["status"] in ("unknown", "critical"), said
        green = [check for check in missing.of if said["checks"].get(check, "unknown") not in ("unknown", "critical")]
        assert green == [], f"without {missing.grant} these are {[said['checks'][check] for check in green]}: {said_in(said)}"
    names_it(said, missing, case)


def acts(case: Case, missing: Right | None) -> None:
    more = case.args()
    planned = [action for action in case.on.run(check=True, **more)["actions"] if action["outcome"] == "planned"]
    assert planned
    before = case.on.world()
    with case.holding([right for right in rights_of(type(case)) if right is not missing]) as run:
        said = run(approved=planned)
    outcomes = {action["outcome"] for action in said["actions"] if action["id"] in {one["id"] for one in planned}}
    if missing is None or not missing.of:
        assert "failed" not in said and outcomes <= CHANGED_OUTCOMES, said
        return
    assert CHANGED_OUTCOMES.isdisjoint(outcomes) and not said.get("changed"), said
    # A server may still have the connection of before.
    until(lambda: case.on.world() == before, what=f"nothing to be touched without {missing.grant}")
    names_it(said, missing, case)


def block_of(heading: str) -> list[str]:
    """The lines of the block below a heading of docs/rights.md."""
    chapter = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2]
    return chapter.partition("```")[2].partition("\n")[2].partition("```")[0].splitlines()


def test_the_roles_of_the_page_are_enough(staged: Staged) -> None:
    case = PgHealth(staged(PgHealth.driver))
    with case.scene():
        server = case.on.server
        try:
            for line in block_of("PostgreSQL"):
                server.execute(re.sub("<[^>]+>", lambda found: {**case.names, "<tables>": "public.probed"}[found.group()], line))
            for role in USERS:
                said = case.on.run(**{**case.args(), "login_user": role, "probe_login_user": "incident_probe"})
                assert "failed" not in said and [one for one in said["findings"] if one["status"] == "unknown"] == [], said
        finally:
            for role in (*USERS, "incident_probe"):
                server.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")


def test_the_users_of_the_page_are_enough(staged: Staged) -> None:
    """And whoever only looks changes no key but that of the probe."""
    case = RedisHealth(staged(RedisHealth.driver))
    server = case.on.server
    lines = [line for line in block_of("Redis and Valkey") if line.startswith("ACL")][: len(USERS)]
    with case.scene():
        for line in lines:
            server.execute(*shlex.split(line.replace("<pattern>", "page:*").replace("(", "'(").replace(")", ")'")))
        for user in USERS:
            login = {**server.args(), "login_user": user, "login_password": "change-me"}
            said = run_module("redis_health", **{**login, **case.args()})
            assert "failed" not in said and [one for one in said["findings"] if one["status"] == "unknown"] == [], said
            assert run_module("redis_probe", **login)["healthy"] is True
        for name, args in (("SET", ("page:1", "y")), ("GET", ("page:1",)), ("UNLINK", ("page:1",)), ("CONFIG", ("SET", "maxclients", "9"))):
            with pytest.raises(NoPermissionError):
                server.execute(name, *args, username="incident_look", password="change-me")
        assert server.execute("UNLINK", "page:2", username="incident_change", password="change-me") == 0
        server.execute("ACL", "DELUSER", *USERS)
