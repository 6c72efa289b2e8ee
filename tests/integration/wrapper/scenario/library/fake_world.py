# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A world of one JSON file that speaks the contracts: what the wrapper is tested against without a database.

`sick`: how many things are wrong. `spoiled`: acting does not help. `slow`: seconds an action takes.
"""

from __future__ import annotations

import json
import time

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import actions, findings
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import load_plan, make_plan


def look(world: dict) -> dict:
    found = [findings.judge("sickness", world["sick"], warning=1, critical=2, unit="count", hint="Cure | it, `soon`.")]
    found += [findings.judge("temperature", world.get("temperature", 36.6), warning=38, unit="degrees")]
    # As a module of another collection, which knows the contract and not our engine.
    return {
        "contract": findings.VERDICT_CONTRACT, "status": findings.worst(one.status for one in found),
        "findings": [one.as_dict() for one in found], "skipped_checks": [findings.Skipped("pulse", "no watch", "Buy one.").as_dict()],
    }


def acts(world: dict, *, check_mode: bool, approved: list | None, write) -> dict:
    todo = []
    for number in range(world["sick"]):
        target = {"pid": 100 + number, "user": "app", "query": "SELECT '|' AS \"pipe\"\n -- `tick`", "transaction_age": 310.0}
        reason, name = f"sick for 5m10s, rule {number}", f"pid {100 + number} app"
        action = actions.Action("cure", "world", {"number": number}, target, reason, name)
        if approved is None or action.id in approved:
            todo.append(action)
    if not check_mode:
        time.sleep(world.get("slow", 0))
        todo = [action.with_outcome(actions.STILL_RUNNING if world.get("spoiled") else actions.DONE) for action in todo]
        if not world.get("spoiled"):
            write({**world, "sick": world["sick"] - len(todo)})
    spared = [actions.Spared({"pid": 7, "application_name": "pg_dump"}, ("backup_tool",), True, "pid 7, application pg_dump")]
    return actions.result(todo, check_mode=check_mode, limits={"max_victims": 10, "max_percent": 25}, protected=spared)


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True}, "do": {"choices": ["look", "act", "plan", "verify"], "required": True},
            "run": {"type": "str"}, "host": {"type": "str"}, "actions": {"type": "list", "elements": "dict"}, "plan": {"type": "path"},
        },
        supports_check_mode=True,
    )
    path, do = module.params["path"], module.params["do"]

    def write(world: dict) -> None:
        with open(path, "w", encoding="utf-8") as stream:
            json.dump(world, stream)

    with open(path, encoding="utf-8") as stream:
        world = json.load(stream)
    if world.get("blind"):
        module.fail_json(msg="cannot see the world: give us eyes", error="blind")
    if do == "look":
        module.exit_json(changed=False, **look(world))
    if do == "act":
        approved = None
        if module.params["plan"]:
            with open(module.params["plan"], encoding="utf-8") as stream:
                approved = load_plan(json.load(stream), now=time.time(), run=module.params["run"]).ids(module.params["host"])
        module.exit_json(**acts(world, check_mode=module.check_mode, approved=approved, write=write))
    if do == "plan":
        planned = {module.params["host"]: [actions.Action.from_dict(one) for one in module.params["actions"]]}
        plan = make_plan(run=module.params["run"], now=time.time(), actions=planned, limits={module.params["host"]: {"max_victims": 10}},
                         lifetime=world.get("lifetime", 600))
        module.exit_json(changed=False, plan=plan.as_dict())
    verdict = look(world)
    if verdict["status"] != "ok":
        module.fail_json(msg="the world is still sick", **verdict)
    module.exit_json(changed=False, **verdict)


if __name__ == "__main__":
    main()
