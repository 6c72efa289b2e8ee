#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: release_health
short_description: Check which release of an application runs, and which ones it can go back to
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Says which release runs and since when, which ran before and are really there, which of them our own runs have measured good, and which
    migrations are between, as a verdict. It only reads.
  - A release is identified by what does not move, a directory, a commit, the digest of an image, the hash of a pod template, or the name in
    the list of the team's own script. A tag that names another image than the one that runs is found.
  - It asks the container runtime and the API for nothing that holds an environment.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
  - oncall.incident.releases
options:
  asked:
    description:
      - Checks that must be answered. C(release_running) is what runs, C(release_wanted) whether that is O(to), or without one the last
        release that was measured good, C(release_previous) whether there is another one to go back to, and C(release_migrations) whether
        the schema of the database is that of the release to go back to.
    default: [release_running, release_wanted]
  fail_on:
    default: never
  to:
    description:
      - The release that should run, by its id, its name, or the beginning of its id, 7 characters at least. Empty for the last one that was
        measured good.
    type: str
    default: ""
  migrations:
    description:
      - How the ids of migrations are listed. C(now) lists those that the database has, C(of) those that the release to go back to knows.
        Each is a directory, from C(/) on, whose entries are the ids, or a command as a list, which prints one id a line and must only read.
        C({release}) in them is the id of that release.
    type: dict
    default: {}
seealso:
  - module: oncall.incident.release_note
  - module: oncall.incident.recent_change
"""

EXAMPLES = r"""
- name: Look at the releases of the shop
  oncall.incident.release_health:
    method: symlink
    where:
      path: /srv/shop/current
      releases: /srv/shop/releases
    notes: /var/lib/oncall-incident/releases.json
  register: releases

- name: Look at the images of a service, and at its migrations
  oncall.incident.release_health:
    method: image
    where:
      service: web
      directory: /opt/shop
      variable: SHOP_IMAGE
    migrations:
      now: [psql, -XAt, -d, shop, -c, SELECT version FROM schema_migrations]
      of: [docker, run, --rm, --network, none, "{release}", ls, /app/migrations]
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/verdict/1).
  returned: success
  type: str
status:
  description: The worst status of RV(findings).
  returned: success
  type: str
findings:
  description: One for each check. C(detail.since) of C(release_running) is since when that runs.
  returned: success
  type: list
  elements: dict
  contains:
    asked:
      description: Whether the check is among O(asked).
      type: bool
skipped_checks:
  description: What could not be judged. C(release_migrations) does not apply without O(migrations).
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: C(not_applicable) where there is no such thing, C(could_not_look) otherwise.
      type: str
checks:
  description: The worst status of each check.
  returned: success
  type: dict
asked:
  description: The checks that had to be answered.
  returned: success
  type: list
  elements: str
healthy:
  description: Whether all of RV(asked) are C(ok). Null when that could not be seen.
  returned: success
  type: bool
remaining:
  description: The checks beside the awaited ones that are not ok, and not worse than at the start.
  returned: when O(baseline) is given
  type: dict
new:
  description: The checks that are worse than at the start.
  returned: when O(baseline) is given
  type: dict
held:
  description: Whether every awaited check was C(ok), for as long as was asked.
  returned: when O(wait_for) is given
  type: bool
waited:
  description: Seconds until it held, or until the time was up.
  returned: when O(wait_for) is given
  type: float
polls:
  description: How often was looked.
  returned: when O(wait_for) is given
  type: int
history:
  description: The status of each awaited check whenever one changed.
  returned: when O(wait_for) is given
  type: list
  elements: dict
not_recovered:
  description: Why it is not called recovered. Empty when it is.
  returned: when O(wait_for) is given
  type: str
subject:
  description: What is switched from one release to another.
  returned: success
  type: str
running:
  description: The ids of what runs. Several where instances differ.
  returned: success
  type: list
  elements: str
identity:
  description: What stays the same as long as nothing is switched, restarted or replaced.
  returned: success
  type: list
  elements: str
state:
  description: Further facts that a switch goes by, such as the text of the link.
  returned: success
  type: dict
releases:
  description: All that are known.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: What identifies it.
      type: str
    name:
      description: Its name for people. Empty where the id is all there is.
      type: str
    commit:
      description: The commit that it was made from, where it says so.
      type: str
    present:
      description: Whether it is really there.
      type: bool
    running:
      description: Whether it runs.
      type: bool
    crashed:
      description: What shows that it did not run. Empty where nothing does.
      type: str
    made:
      description: When it was made, in UTC. Empty where that is not known.
      type: str
    good_at:
      description: When it was measured good last. Empty for never.
      type: str
    good_run:
      description: The run that did.
      type: str
wanted:
  description: The id of the release that should run. Empty where there is none.
  returned: success
  type: str
against:
  description: Why it must not be switched to that one, beside the schema.
  returned: success
  type: list
  elements: str
schema:
  description: Why the schema of the database speaks against it. Empty where it does not.
  returned: success
  type: str
reading:
  description:
    - What was decided from, of the target and of the call, so that the decision can be made again from a record. In C(invocation) where the
      module fails, since Ansible prints the rest.
    - At most 64 KiB. What is left out is named in C(left_out), and C(complete) is false then.
  returned: where it looked
  type: dict
"""

import functools
import typing as t

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.oncall.incident.plugins.module_utils._core import ranges
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import IncidentError
from ansible_collections.oncall.incident.plugins.module_utils._core.judging import answer, question_from, question_spec
from ansible_collections.oncall.incident.plugins.module_utils._module.programs import run
from ansible_collections.oncall.incident.plugins.module_utils._module.results import leave
from ansible_collections.oncall.incident.plugins.module_utils._release.args import RELEASES_SPEC
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.verdict import CHECKS, DECISIVE
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.where import Where
from ansible_collections.oncall.incident.plugins.module_utils._release.looking import check_migrations, look


def main() -> None:
    module = AnsibleModule(
        argument_spec={
            **RELEASES_SPEC, "to": {"type": "str", "default": ""}, "migrations": {"type": "dict", "default": {}},
            **question_spec(default=DECISIVE),
        },
        supports_check_mode=True,
    )
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        where = Where.of(params["method"], params["where"])
        migrations = check_migrations(params["migrations"])
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        question = question_from(params, checks=CHECKS, default=DECISIVE, what="The release")
        return answer(question, lambda: look(
            where, notes=params["notes"] or "", to=params["to"], migrations=migrations, asked=question.asked, run=bounded,
        ))

    leave(module, work)


if __name__ == "__main__":
    main()
