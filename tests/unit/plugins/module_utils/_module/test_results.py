# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How results leave a module: secrets are removed, ids and contract words are not harmed."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

pytest.importorskip("ansible")

from ansible_collections.oncall.incident.plugins.module_utils._core.acting import Candidate, Sight, Subject, act, read_approved
from ansible_collections.oncall.incident.plugins.module_utils._core.actions import Action
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput, CannotReach, IncidentError, Locked
from ansible_collections.oncall.incident.plugins.module_utils._module.results import hide_secrets, leave, without_secrets
from ansible_collections.oncall.incident.plugins.plugin_utils._record.lift import lift


@pytest.mark.parametrize(("value", "expected"), [
    ("oncall.incident/actions/1", "oncall.incident/actions/1"),
    ("ALTER ROLE app PASSWORD 'incident'", "ALTER ROLE app PASSWORD '********'"),
    ({"query": "SELECT 'incident2' "}, {"query": "SELECT '********' "}),
    ([("a incident", 5, None)], [["a ********", 5, None]]),
])
def test_secrets_leave_texts_and_not_our_own_words(value: Any, expected: Any) -> None:
    assert hide_secrets(value, {"incident", "incident2"}) == expected


def test_secret_options_leave_the_invocation() -> None:
    params = {
        "login_user": "x", "login_password": "x", "alternate_logins": [{"login_password": "y", "login_port": 1}],
        "connect_params": {"sslpassword": "z"}, "passphrases": {"a.p12": "w"},
    }
    assert without_secrets(params) == {
        "login_user": "x", "login_password": "********", "alternate_logins": [{"login_password": "********", "login_port": 1}],
        "connect_params": {"sslpassword": "********"}, "passphrases": "********",
    }


class Module:
    """What leave() needs of an AnsibleModule."""

    def __init__(self, approved: Any) -> None:
        self.params = {"approved": approved}
        self.no_log_values: set[str] = set()
        self.said: dict[str, Any] = {}

    def fail_json(self, **result: Any) -> None:
        self.said = result

    def exit_json(self, **result: Any) -> None:
        """Ansible's fail_json() does not return; this one's does."""


PLANNED = Action(verb="open", resource="shelf", identity={"jar": "a"}, target={}, reason="It is full.")
OF_ANOTHER = Action(verb="drop", resource="table", identity={}, target={}, reason="It is old.")


@pytest.mark.parametrize(("error", "expected"), [
    (CannotReach("The shelf is too high."), ("failed", "not_tried")), (Locked("Another run opens jars."), ("refused", "locked")),
])
def test_what_was_approved_is_answered_where_the_module_fails_before_it_can_begin(error: IncidentError, expected: tuple[str, str]) -> None:
    def work() -> Any:
        raise error

    module = Module([PLANNED.as_dict(), OF_ANOTHER.as_dict(), "by its id alone"])
    leave(module, work, verbs=("open",))
    assert [(one["id"], one["outcome"], one["detail"]["why"]) for one in module.said["actions"]] == [
        (PLANNED.id, *expected), ("by its id alone", *expected),
    ]
    error.facts = {}
    module = Module([PLANNED.as_dict()])
    leave(module, work)
    assert "actions" not in module.said, "a module that changes nothing answers for nothing"


def test_an_approval_that_cannot_be_read_is_the_error_that_is_told() -> None:
    def work() -> Any:
        raise BadInput("approved action: no id")

    module = Module([{"verb": "open"}])
    leave(module, work, verbs=("open",))
    assert module.said["error"] == "bad_input" and "actions" not in module.said


class Jar(Subject[str]):
    """One jar, which is opened."""

    verbs = ("open",)

    def alone(self) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    def look(self) -> Sight[str]:
        return Sight([Candidate("a", PLANNED)])

    def carry_out(self, candidate: Candidate[str]) -> Action:
        return candidate.action.with_outcome("done")


@pytest.mark.parametrize("error", [CannotReach("The shelf fell."), ZeroDivisionError("crash")])
def test_what_was_done_is_told_also_where_the_module_fails_afterwards(error: Exception) -> None:
    def work() -> Any:
        act(Jar(), approved=read_approved([PLANNED.as_dict()]), check_mode=False)
        raise error

    module = Module([PLANNED.as_dict()])
    leave(module, work, verbs=("open",))
    assert [(one["id"], one["outcome"], one["touched"]) for one in module.said["actions"]] == [(PLANNED.id, "done", True)]
    assert module.said["changed"] is True and str(error) in module.said["msg"]


def test_another_call_of_the_same_process_starts_anew() -> None:
    def acts() -> Any:
        act(Jar(), approved=None, check_mode=False)
        raise BadInput("Too late.")

    def fails() -> Any:
        raise BadInput("Too early.")

    module = Module(None)
    leave(module, acts, verbs=("open",))
    assert module.said["actions"]
    leave(module, fails, verbs=("open",))
    assert "actions" not in module.said, "what another call did"


def test_a_failed_result_has_its_reading_where_ansible_does_not_print_it() -> None:
    module = Module(None)
    reading = {"version": 1, "of": "shelf", "given": {}}
    leave(module, lambda: ({"changed": False, "reading": reading}, CannotReach("The shelf is too high.")))
    assert "reading" not in module.said and module.said["invocation"]["reading"] == reading
    _events, rest = lift(module.said)
    assert rest["reading"] == reading and "invocation" not in rest, "and the record has it"
