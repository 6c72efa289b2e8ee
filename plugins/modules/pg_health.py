#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
PLACEHOLDER
"""

EXAMPLES = r"""
"""

RETURN = r"""
"""

import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.oncall.incident.plugins.module_utils._core.errors import CannotReach, IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.findings import must_fail, verdict
from ansible_collections.oncall.incident.plugins.module_utils._core.recovery import compare, not_ok
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health import Look, Request, look, unreachable
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_args import health_spec, open_session, request_from
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.health_watch import wait_from, watch
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg


def main() -> None:
    module = AnsibleModule(argument_spec=health_spec(), supports_check_mode=True)
    require_psycopg(module)
    try:
        result = run(module.params)
    except IncidentError as exc:
        module.fail_json(**exc.as_result())
    troubled = not_ok(module.params["wait_for"]["checks"], result["checks"]) if module.params["wait_for"] else {}
    if module.params["wait_for"] and not result["held"] and module.params["fail_on"] != "never":
        said = ", ".join(f"{check} {status}" for check, status in troubled.items()) or "they did not hold for long enough"
        module.fail_json(msg=f"The checks were not ok within {result['waited']:.0f} s: {said}.", error="not_recovered", **result)
    if not module.params["wait_for"] and must_fail(result["status"], fail_on=module.params["fail_on"]):
        worst = [check for check, status in result["checks"].items() if status == result["status"]]
        module.fail_json(msg=f"PostgreSQL is {result['status']}: {', '.join(worst)}.", error="unhealthy", **result)
    module.exit_json(**result)


def run(params: dict[str, t.Any]) -> dict[str, t.Any]:
    """Look once or until the checks hold; the module's result."""
    request = request_from(params)
    waiting: dict[str, t.Any] = {}
    if params["wait_for"]:
        watched = watch(lambda: open_session(params, connect_retry=0), request=request, wait=wait_from(params["wait_for"]))
        seen, waiting = watched.last, watched.as_dict()
    else:
        seen = once(params, request)
    statuses = seen.statuses()
    result = {
        **verdict(seen.findings, seen.skipped), "changed": False, "reachable": seen.reachable, "checks": statuses, **waiting, **seen.data,
    }
    if params["baseline"] is not None:
        judged = (params["wait_for"] or {}).get("checks") or ()
        compared = compare(statuses, baseline=params["baseline"], judged=judged)
        result.update(remaining=dict(compared.remaining), new=dict(compared.new))
    return result


def once(params: dict[str, t.Any], request: Request) -> Look:
    """One look in one session."""
    try:
        with open_session(params) as session:
            return look(session, request)
    except CannotReach as exc:
        return unreachable(exc, request)


if __name__ == "__main__":
    main()
