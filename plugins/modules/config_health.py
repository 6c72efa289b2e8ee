#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: config_health
short_description: Check whether files of configuration are as they are kept
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Compares the listed files with those of a verified archive or directory, as a verdict. It only reads.
  - Values whose name tells of a secret are hidden in the difference, as are encoded keys and passwords in URLs.
extends_documentation_fragment:
  - oncall.incident.attributes
  - oncall.incident.attributes.read_only
  - oncall.incident.verdict
  - oncall.incident.configuration
options:
  asked:
    description:
      - Checks that must be answered. C(config_files) is whether each file is as it is kept, C(config_valid) what O(validate) says, which is
        asked where it does not say C({file}).
    default: [config_files]
  fail_on:
    default: never
seealso:
  - module: oncall.incident.config_restore
"""

EXAMPLES = r"""
- name: Compare the configuration with the last archive
  oncall.incident.config_health:
    paths: [/etc/nginx/nginx.conf]
    source: /var/backups/config_latest.tar.gz
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
  description: One C(config_files) for each file, whose C(detail.diff) is what putting it back would change, and C(config_valid).
  returned: success
  type: list
  elements: dict
  contains:
    asked:
      description: Whether the check is among O(asked).
      type: bool
skipped_checks:
  description: What could not be judged.
  returned: success
  type: list
  elements: dict
  contains:
    kind:
      description: Always V(could_not_look).
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
from ansible_collections.oncall.incident.plugins.module_utils._release.config_args import CONFIG_SPEC, restore_from
from ansible_collections.oncall.incident.plugins.module_utils._release.configuration import look
from ansible_collections.oncall.incident.plugins.module_utils._release.decisions.configuration import CHECKS, DECISIVE


def main() -> None:
    module = AnsibleModule(argument_spec={**CONFIG_SPEC, **question_spec(default=DECISIVE)}, supports_check_mode=True)
    params = module.params

    def work() -> tuple[dict[str, t.Any], t.Optional[IncidentError]]:
        wanted = restore_from(params)
        bounded = functools.partial(run, seconds=ranges.read(params["timeout"], name="timeout"))
        question = question_from(params, checks=CHECKS, default=DECISIVE, what="The configuration")
        return answer(question, lambda: look(wanted, asked=question.asked, run=bounded))

    leave(module, work)


if __name__ == "__main__":
    main()
