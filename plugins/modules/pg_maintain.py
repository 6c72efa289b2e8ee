#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: pg_maintain
short_description: Analyze, vacuum or rebuild tables and indexes that are named, or the worst of a database
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Runs C(ANALYZE), C(VACUUM) or C(REINDEX CONCURRENTLY) on the objects that are named, and with O(worst) on those of the database that
    need it most, one after the other, and measures for each that the server really did it. A server skips tables of others with a mere
    warning.
  - None of them keeps others from reading or writing the table. C(VACUUM FULL) and a plain C(REINDEX) do, and are not offered.
  - A plain C(VACUUM) gives the space of dead rows to new rows of the same table, and hardly any back to the disk. To get disk space back
    from a table takes C(VACUUM FULL) or pg_repack, which rewrite it. They need as much free space and an exclusive lock (pg_repack only
    for a moment at its end), and are not done here.
extends_documentation_fragment:
  - oncall.incident.postgresql
  - oncall.incident.attributes
  - oncall.incident.attributes.mitigates
  - oncall.incident.attributes.postgresql
  - oncall.incident.approved
attributes:
  idempotent:
    support: none
    details:
      - What is named is done every time. With O(worst), what does not need it is left alone.
options:
  objects:
    description: What to do to which table or index of O(login_db). Required unless O(worst) is given.
    type: list
    elements: dict
    suboptions:
      operation:
        description: What to do.
        type: str
        choices: [analyze, vacuum, vacuum_analyze, reindex]
        required: true
      name:
        description: Name as in SQL, with its schema. For V(reindex) a table or an index.
        type: str
        required: true
  worst:
    description:
      - How many objects of O(login_db) to choose for each of O(worst_operations), the worst first. V(0) or absent chooses none.
      - For V(vacuum) the tables with most dead rows, of those that have more than make autovacuum start.
      - For V(analyze) the tables that were never analyzed, then those with most rows changed since, against the number that makes
        autovacuum analyze them.
      - For V(reindex) the invalid indexes. What a rebuild that failed has left behind (C(_ccnew), C(_ccold)) is not rebuilt but named in
        RV(protected), with the statement that removes it.
      - Never more than O(max_objects) together with O(objects). The worst of each operation come in turn.
      - With O(approved), only what the plan names is chosen, and of that only what still needs it.
    type: int
  worst_operations:
    description: What to look for with O(worst).
    type: list
    elements: str
    choices: [reindex, vacuum, analyze]
    default: [reindex, vacuum, analyze]
  max_bytes:
    description:
      - How large the objects chosen by O(worst) may be together, by the size that the server last counted of their tables. A larger one is
        left alone and named in RV(protected). An index that is rebuilt needs its size again on the disk meanwhile.
    type: int
    default: 53687091200
  max_objects:
    description: How many objects may be maintained. If there are more O(objects), nothing is done and the module fails.
    type: int
    default: 5
  spent:
    description: How much of O(max_objects) this run has used already.
    type: int
    default: 0
  timeout:
    description: How long the work on one object may take. Stands in for O(statement_timeout).
    type: str
    default: 10m
  time_limit:
    description: After this time no further object is begun, and the module fails where one was left.
    type: str
    default: 1h
notes:
  - PostgreSQL itself calls the functions in a table's index expressions while it maintains the table, as the table's owner and never
    with the rights of O(login_user). They find only what they qualify, and what is in C(pg_catalog).
seealso:
  - module: oncall.incident.pg_health
"""

EXAMPLES = r"""
- name: Refresh the statistics of a table and rebuild a bloated index
  oncall.incident.pg_maintain:
    login_unix_socket: /var/run/postgresql
    login_db: shop
    objects:
      - operation: analyze
        name: public.orders
      - operation: reindex
        name: public.orders_customer_idx

- name: Vacuum the three tables with most dead rows, but nothing larger than 10 GiB together
  oncall.incident.pg_maintain:
    login_unix_socket: /var/run/postgresql
    login_db: shop
    worst: 3
    worst_operations: [vacuum]
    max_bytes: 10737418240
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether something was done. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - One action per object, and one for each approved action whose object is not there to be acted on. C(done) when the server's own
      counters or files show it, C(not_needed) when there is no such object or nothing in it to rebuild, C(moved_on) when the name
      belongs to another object, C(refused) when it is not approved or over the limit, C(failed), C(not_permitted) or C(unknown)
      otherwise, which fail the task.
    - C(detail.before) and C(detail.after) are what was measured, and C(detail.hint) says so when a C(VACUUM) left most of the dead rows.
    - C(detail.why) says why in a word, C(detail.error) what the server said.
  returned: when the objects were found, and of approved actions also when nothing could be begun
  type: list
  elements: dict
  contains:
    id:
      description: Identity of the action, to be compared with an approved one; never to be taken apart.
      type: str
    resource:
      description: The server or service that it is done on.
      type: str
    identity:
      description: What identifies the target on it. With C(verb) and C(resource) it makes C(id).
      type: dict
    name:
      description: The target in words.
      type: str
      sample: public.orders
limits:
  description: The limit.
  returned: success
  type: dict
protected:
  description:
    - With O(worst), the first 20 of those that need it and are left alone. C(reasons) begin with C(left_over) (a failed rebuild left
      it), C(busy), C(not_permitted) or C(too_large).
  returned: success
  type: list
  elements: dict
needing:
  description: How many objects of the database need each operation, at most 200 of each.
  returned: with O(worst)
  type: dict
  sample: {reindex: 1, vacuum: 12, analyze: 3}
error:
  description: What kind of failure it is.
  returned: failure
  type: str
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

import contextlib
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core.acting import APPROVED_SPEC, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.durations import parse_duration
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.limits import Budget
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.args import connection_spec, session_from
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.decisions.maintenance import NEEDED, OPERATIONS, Named, Worst
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.library import require_psycopg
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.maintenance import maintain


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **connection_spec(),
            "objects": {"type": "list", "elements": "dict", "options": {
                "operation": {"type": "str", "choices": list(OPERATIONS), "required": True},
                "name": {"type": "str", "required": True},
            }},
            "worst": {"type": "int"},
            "worst_operations": {"type": "list", "elements": "str", "choices": list(NEEDED), "default": list(NEEDED)},
            "max_bytes": {"type": "int", "default": 53687091200},
            "max_objects": {"type": "int", "default": 5},
            "spent": {"type": "int", "default": 0},
            "timeout": {"type": "str", "default": "10m"},
            "time_limit": {"type": "str", "default": "1h"},
            "approved": APPROVED_SPEC,
        },
        required_one_of=[["objects", "worst"]],
        supports_check_mode=True,
    )
    require_psycopg(module)
    params = module.params
    # A concurrent rebuild waits for transactions that began before it, and blocks nobody meanwhile: its lock may take as long as it.
    times = {"statement_timeout": params["timeout"], "lock_timeout": params["timeout"]}

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        budget = Budget(max_count=params["max_objects"], spent=params["spent"])
        worst = Worst(params["worst"] or 0, params["max_bytes"], tuple(params["worst_operations"]))
        with contextlib.ExitStack() as opened:
            return maintain(
                lambda: opened.enter_context(session_from({**params, **times})), [Named(**one) for one in params["objects"] or ()],
                budget=budget, approved=read_approved(params["approved"]), check_mode=module.check_mode, worst=worst,
                time_limit=parse_duration(params["time_limit"], name="time_limit"),
            )

    leave(module, work, verbs=OPERATIONS)


if __name__ == "__main__":
    main()
