#!/usr/bin/python
# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

# This file is documentation; the code is the action plugin of the same name.

from __future__ import annotations

DOCUMENTATION = r"""
module: act
short_description: Run another module as a planned, approved and measured action
version_added: 0.1.0
author:
  - The oncall.incident contributors (@oncall-incident)
description:
  - Runs a named module as one action of a mitigation. States what is done, to whom, why, within which limit, and how to measure it.
  - In check mode the module is not run and the action is returned as C(planned). Otherwise it runs, and then O(measure) decides on the
    outcome. What the module itself returned is detail, whatever its return code.
  - The module need not support check mode. Defaults from C(module_defaults) do not apply to it, so state all of its arguments.
  - Nobody else acts on the same subject meanwhile. Before the look that decides it takes a lease of O(lock) on the host, and gives it back
    at the end. A second run, or another host of this run, fails with RV(error=locked), which names the one that has it. The lease of a run
    that died ends by itself, when O(timeout), O(measure.timeout) and O(measure.hold) are over and a minute more; who takes it over says
    so in C(detail.lease). Check mode takes none, nor does an action that is refused, or not needed, without a look.
  - Where the module's handler can, it runs as an asynchronous job that is ended on the host when O(timeout) is over, to the next five
    seconds, even if the controller is gone by then. For others, such as M(ansible.builtin.copy), the controller stops waiting.
extends_documentation_fragment:
  - oncall.incident.approved
  - oncall.incident.attributes
attributes:
  check_mode:
    support: full
    details:
      - Never runs O(module). O(measure.module) is run in check mode too, so it must only read.
  diff_mode:
    support: none
  idempotent:
    support: partial
    details:
      - As far as O(needed) says when the action is not needed any more.
options:
  verb:
    description: What is done, one word in snake_case, for example V(restart_service).
    type: str
    required: true
  target:
    description:
      - The target. It is part of the action's identity, so it must hold nothing that changes by itself, such as an age.
    type: dict
    required: true
  reason:
    description: Why, in one sentence.
    type: str
    required: true
  resource:
    description: The server or host it is done on, for the action's identity. By default the inventory host.
    type: str
  lock:
    description:
      - The subject that one run at a time may act on, on the host that the module runs on. By default O(resource), or else
        O(target), whatever an inventory calls the host.
      - Give the same one to actions that must not happen at once, and another one to those that may.
    type: str
  module:
    description: Full name of the module to run.
    type: str
    required: true
  args:
    description: Its arguments.
    type: dict
    default: {}
  needed:
    description:
      - Whether the action is needed, as a boolean, or as an expression over C(before), the result of a measurement that is made just
        before acting. When it is false the outcome is C(not_needed).
    type: raw
    default: true
  still:
    description:
      - Expression over C(before), the measurement before acting, that is true while the target is what an earlier task judged. When it is
        false the outcome is C(refused).
    type: str
    default: ""
  forbidden:
    description:
      - Reasons why it must not be done. Any one makes the outcome C(refused).
      - The target is then not looked at either, unless O(needed) wants it.
    type: list
    elements: str
    default: []
  limit:
    description: How many actions of this verb a run may do on a host. When they are used up the module fails and nothing is done.
    type: int
    default: 1
  spent:
    description: How many of them this run has done already.
    type: int
    default: 0
  timeout:
    description: How long the module may take.
    type: str
    default: 60s
  temporary:
    description: How the change ends, where it is to be undone. It is kept in the action.
    type: dict
    suboptions:
      way_back:
        description: What undoes it, in one sentence.
        type: str
        required: true
      survives:
        description: What it ends with anyway, such as V(a reboot).
        type: str
        default: ""
      undo:
        description: What undoing it needs. C(verb) in it is the verb of the action that undoes it.
        type: dict
        default: {}
      expires:
        description:
          - After how long it is undone, such as V(2h). It is part of the action's identity, and so are O(temporary.command) and
            O(temporary.undo). It must be longer than making and measuring the change may take.
          - A service and a persistent timer of systemd that run O(temporary.command) are made on the host before the change, and removed
            when nothing was changed. This needs root. Where they cannot be made nothing is changed. Where the timer is not active any
            more after the change, the outcome is C(failed).
          - Empty means that nobody undoes it.
        type: str
        default: ""
      command:
        description:
          - The command that undoes it, as a list of words. It should change nothing where somebody else has set another value since,
            and fail where it cannot see that. It is kept in a file that only root can read.
        type: list
        elements: str
        default: []
      fits:
        description:
          - Expression that is true when O(temporary.command) and O(temporary.undo) go back to what there is now, over C(before), the
            measurement before acting, for what was read by an earlier task. Otherwise nothing is changed.
        type: str
        default: ""
      subject:
        description:
          - What is changed, the same for each change of it, such as a setting and its file. While the unit of another change of it is on
            the host nothing is changed, as that unit would come in between.
        type: str
        default: ""
      stays:
        description:
          - The change may stay as it is, such as a rollback. It is listed and can be undone as any other, and an incident may be closed
            while it is in force.
        type: bool
        default: false
  change:
    description:
      - An earlier action with O(temporary) that this one undoes, as its record has it. When it is done, the change's unit is removed.
      - On another machine than the one that was changed (C(/etc/machine-id)) nothing is done.
      - Where it is not needed any more and the change's unit is still there, the action only removes that.
    type: dict
  measure:
    description: How the outcome is measured.
    type: dict
    required: true
    suboptions:
      module:
        description: Full name of a module that only reads.
        type: str
        required: true
      args:
        description: Its arguments.
        type: dict
        default: {}
      until:
        description:
          - Expression that is true when the change is there, over C(measured), the measurement, C(before), the one before acting, and
            C(answer), what O(module) returned, which says what was done where only the module knows it.
        type: str
        required: true
      looked:
        description:
          - Expression over C(measured) that is true when the module could look, whatever it saw. By default that is when it did not fail
            and what it ran ended with 0. Give one where another status is an answer too, such as V(measured.rc in [0, 1]).
          - A measurement that could not look proves nothing, and breaks O(measure.hold). When that is so before acting, nothing is done.
            When it is so of the last one after acting, nobody knows what came of it. In both cases the outcome is C(unknown), and the task
            fails.
        type: str
      hold:
        description:
          - How long O(measure.until) must be true without a break, for what may be true for a moment only. A service that dies a few
            seconds after each of its starts runs in between.
          - V(0s) takes the first look that finds it true.
        type: str
        default: 0s
      identity:
        description:
          - Expression over C(measured) whose value must stay the same for O(measure.hold), such as process ids and restart counters.
            Another value begins the hold again.
        type: str
      timeout:
        description: How long to measure until it is true. What is true by then is still given its O(measure.hold).
        type: str
        default: 30s
      interval:
        description: Time between two measurements.
        type: str
        default: 1s
"""

EXAMPLES = r"""
- name: Restart the application
  oncall.incident.act:
    verb: restart_service
    target:
      service: shop
    reason: Its pool holds every connection slot.
    module: ansible.builtin.systemd_service
    args:
      name: shop
      state: restarted
    measure:
      module: ansible.builtin.command
      args:
        argv: [systemctl, show, "--property=ActiveState,InvocationID", shop]
      until: "'ActiveState=active' in measured.stdout_lines and measured.stdout != before.stdout"
      hold: 10s
      identity: measured.stdout
"""

RETURN = r"""
contract:
  description: The contract that the result follows, V(oncall.incident/actions/1).
  returned: always
  type: str
changed:
  description: Whether the change was measured. In check mode, whether it is planned.
  returned: always
  type: bool
actions:
  description:
    - The one action. Its C(outcome) is C(planned), C(done), C(not_needed), C(refused), C(failed) (the condition does not hold, or not for
      long enough), or C(unknown) (it does not hold and the module gave no answer, or nobody could look, before or after). The last two
      fail the task.
    - Its C(detail) holds C(before), C(measured) and what the module returned, cut down. C(detail.why) is a word, such as C(forbidden),
      C(already_so), C(locked), C(cannot_look), C(not_measured), C(did_not_hold) or C(no_answer); C(detail.error) says more.
  returned: when it was judged, or another run has the lease
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
      sample: service checkout
    temporary:
      description: How the change ends. C(expires) is when, C(armed_as) the unit that does it.
      returned: with O(temporary)
      type: dict
limits:
  description: The limit by verb.
  returned: success
  type: dict
protected:
  description: Always empty; there is one target.
  returned: success
  type: list
  elements: dict
error:
  description:
    - What kind of failure it is. V(actions_failed) when it was done, or begun, and the measurement does not show it; V(limit_exceeded),
      V(locked), V(blind) when the look before failed, and V(bad_input) when nothing was done.
  returned: failure
  type: str
held_by:
  description: Who has the lease, C(run) and C(holder), until when at the latest (C(until), C(seconds)), and its file (C(path)).
  returned: when another run has it
  type: dict
"""
