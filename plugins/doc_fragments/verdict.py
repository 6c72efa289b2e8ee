# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every health module can be asked, stated once: `oncall.incident.verdict`."""

from __future__ import annotations


class ModuleDocFragment:
    """The options of a verdict; the argument spec beside them is question_spec() of module_utils/_core/judging.py."""

    DOCUMENTATION = r"""
options:
  asked:
    description:
      - The checks that must be answered. One that could not be looked at, or that nothing was said about, is a finding with the status
        C(unknown), and so is the result.
      - Checks that are not among them are judged too, and decide about RV(ignore:healthy) nothing.
      - Default are all checks that the module looks at, or with O(wait_for) those that are waited for.
      - What O(wait_for.checks) names is asked too. What only this names is not waited for; it is judged by the last look, and counts for
        RV(ignore:healthy) and O(fail_on).
    type: list
    elements: str
    version_added: 0.2.0
  fail_on:
    description:
      - The status at which the task fails. A sick target is a result, not a failure, unless this says so.
      - With V(critical) a status C(unknown) fails too, since what could not be judged may be critical; with V(warning) everything but
        C(ok) does.
      - With O(wait_for) the task fails when the checks did not hold or something is worse than at the start, unless this is V(never). Of
        O(asked) what was not waited for fails it at the status that this names.
    type: str
    choices: [never, critical, warning]
  baseline:
    description:
      - The status by check at the start, RV(ignore:checks) of an earlier result. RV(ignore:remaining) and RV(ignore:new) then say what is
        still not ok and what is worse.
    type: dict
  wait_for:
    description:
      - Look again and again until checks are ok and stay so, or the time is up. A check that does not apply is not waited for, as long as
        another one is.
    type: dict
    suboptions:
      checks:
        description: The checks that must be ok. Default is O(asked).
        type: list
        elements: str
      hold:
        description: How long they must be ok without a break. With V(0s) one look is enough.
        type: str
        default: 5s
      timeout:
        description: How long is waited at most, O(wait_for.hold) included.
        type: str
        default: 60s
      interval:
        description: The time between two looks.
        type: str
        default: 1s
"""
