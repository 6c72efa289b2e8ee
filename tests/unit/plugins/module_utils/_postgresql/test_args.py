# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logins from arguments, and the documentation beside the argument specs."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.errors import BadInput
from ansible_collections.oncall.incident.plugins.module_utils._postgresql.args import (
    application_name,
    connection_spec,
    logins_from,
    probe_logins,
    session_from,
)


def params(**given: Any) -> dict[str, Any]:
    return {**{name: spec.get("default") for name, spec in connection_spec().items()}, **given}


def alternate(**given: Any) -> dict[str, Any]:
    # As Ansible fills it in: every option there, those not given None.
    return {**dict.fromkeys(connection_spec()["alternate_logins"]["options"]), **given}


def test_alternates_take_what_they_do_not_state_from_the_main_login() -> None:
    main, reserved, tcp, socket = logins_from(params(
        login_unix_socket="/run/pg", login_port=6000, login_password="a", ca_cert="/ca", ssl_mode="require",
        alternate_logins=[
            alternate(login_user="root", login_password="b"), alternate(login_host="192.0.2.1"), alternate(login_unix_socket="/s"),
        ],
    ))
    assert (main.unix_socket, main.port, main.user, main.password, main.ca_cert) == ("/run/pg", 6000, "postgres", "a", "/ca")
    assert (reserved.unix_socket, reserved.user, reserved.password) == ("/run/pg", "root", "b")
    assert (tcp.host, tcp.unix_socket, tcp.port, tcp.password, tcp.ssl_mode) == ("192.0.2.1", "", 6000, "a", "require")
    assert (socket.host, socket.unix_socket) == ("", "/s")


def test_the_password_is_in_no_description() -> None:
    login = logins_from(params(login_password="hush", login_host="db.example.org"))[0]
    assert "hush" not in repr(login) + login.describe()
    assert login.keywords()["password"] == "hush"


def test_a_socket_wins_over_a_host_and_connect_params_over_both() -> None:
    login = logins_from(params(login_host="h", login_unix_socket="/s", connect_params={"host": "other", "target_session_attrs": "any"}))[0]
    found = login.keywords()
    assert (login.describe(), found["host"], found["target_session_attrs"]) == ("postgres@/s:5432/postgres", "other", "any")


def probe(**given: Any) -> dict[str, Any]:
    return params(**{**dict.fromkeys(("probe_login_user", "probe_login_password", "probe_login_db", "probe_login_host"), ""), **given})


def test_the_probe_goes_the_same_ways_as_its_own_role() -> None:
    tcp, socket = probe_logins(probe(
        login_host="db.example.org", login_password="main", login_db="postgres", alternate_logins=[alternate(login_unix_socket="/s")],
        connect_params={"user": "main", "password": "main", "dbname": "x", "target_session_attrs": "any"},
        probe_login_user="small", probe_login_password="own", probe_login_db="shop",
    ))
    assert (tcp.host, socket.unix_socket) == ("db.example.org", "/s")
    for login in (tcp, socket):
        found = login.keywords()
        assert (found["user"], found["password"], found["dbname"], found["target_session_attrs"]) == ("small", "own", "shop", "any")


def test_the_main_password_is_the_main_users_alone() -> None:
    main = {"login_host": "db.example.org", "login_password": "main", "connect_params": {"password": "main"}}
    assert "password" not in probe_logins(probe(**main, probe_login_user="small"))[0].keywords()
    assert probe_logins(probe(login_password="main"))[0].keywords()["password"] == "main"


def test_a_place_of_its_own_is_the_only_one() -> None:
    [login] = probe_logins(probe(
        login_unix_socket="/s", connect_params={"hostaddr": "192.0.2.1"}, alternate_logins=[alternate(login_host="192.0.2.2")],
        probe_login_user="small", probe_login_host="127.0.0.1",
    ))
    assert (login.host, login.unix_socket, login.connect_params) == ("127.0.0.1", "", {})


def test_the_run_is_in_the_application_name() -> None:
    assert application_name({"run_id": "r1"}) == "oncall.incident/r1"
    assert application_name({"run_id": None}) == "oncall.incident"


@pytest.mark.parametrize("given", [{"statement_timeout": "0"}, {"lock_timeout": "0s"}, {"connect_timeout": 0}, {"connect_retry": "soon"}])
def test_times_without_a_bound_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(BadInput) as caught:
        session_from(params(**given))
    assert caught.value.facts["argument"] == next(iter(given))


def test_specs_are_fresh_copies() -> None:
    connection_spec()["login_host"]["default"] = "changed"
    assert connection_spec()["login_host"]["default"] == ""


def documented(options: dict[str, Any]) -> dict[str, Any]:
    """Documentation in the terms of an argument spec."""
    found = {}
    for name, option in options.items():
        spec = {key: option[key] for key in ("type", "elements", "choices", "default", "required") if key in option}
        found[name] = {**spec, **({"options": documented(option["suboptions"])} if "suboptions" in option else {})}
    return found


def specified(spec: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {**{key: value for key, value in one.items() if key not in ("no_log", "options")},
               **({"options": specified(one["options"])} if "options" in one else {})}
        for name, one in spec.items()
    }


def test_the_doc_fragment_says_what_the_spec_says() -> None:
    yaml = pytest.importorskip("yaml")
    from ansible_collections.oncall.incident.plugins.doc_fragments.postgresql import ModuleDocFragment

    assert documented(yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]) == specified(connection_spec())


def test_the_module_documents_what_its_spec_says() -> None:
    yaml = pytest.importorskip("yaml")
    pytest.importorskip("ansible")
    from ansible_collections.oncall.incident.plugins.doc_fragments.approved import ModuleDocFragment
    from ansible_collections.oncall.incident.plugins.modules import pg_terminate_long_queries as module

    own = {name: spec for name, spec in module.argument_spec().items() if name not in connection_spec()}
    texts = (module.DOCUMENTATION, ModuleDocFragment.DOCUMENTATION)
    assert documented({name: option for text in texts for name, option in yaml.safe_load(text)["options"].items()}) == specified(own)
