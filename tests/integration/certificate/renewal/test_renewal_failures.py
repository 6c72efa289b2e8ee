# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal when something goes wrong on the way: what is served then, and what is said.

Two runs with several hosts, that the tests read: one in which each host has a fault of its own, and one after two were repaired.
What becomes of a new certificate that may not be served, cert_renew says alone: test_renewal_module.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from ansible_collections.oncall.incident.plugins.module_utils._core.plan import make_plan

from tests.support.nginx import Nginx
from tests.support.pki import DAY
from tests.support.until import until

from .conftest import API, LONG, LOST, NOT_DONE, WWW, Fleet, Played, Seen, Web

SHOP = "shop.example.org"
#: A name, and what is wrong with the newer file that its server has not loaded.
WRONG = {WWW: "name_mismatch", API: "expired", SHOP: "not_yet_valid"}
RENEWED = [("renew_certificate", "done"), ("reload_service", "done")]
ACTING = ("--tags", "mitigate,verify")
#: Several runs, on a machine that may be busy.
pytestmark = pytest.mark.timeout(2 * LONG)


@dataclass(frozen=True)
class Fault:
    """How a host's server is prepared: what is done to it, which gives variables, what it serves, and whether that has expired."""

    make: Callable[[Web], dict[str, Any]]
    names: tuple[str, ...] = (WWW,)
    expired: bool = False


@dataclass(frozen=True)
class Runs:
    """The runs."""

    broken: Played
    repaired: Played
    #: What the second NGINX of the host `half` served after the first run.
    other_served: str

    def before(self, host: str) -> Seen:
        """A host before the first run."""
        return self.broken.before[host]

    def after(self, host: str) -> Seen:
        """A host after it."""
        return self.broken.after[host]

    def said(self, host: str) -> str:
        """What the first run showed of a host."""
        return self.broken.ended.said_of(host)


def breaks(web: Web) -> dict[str, Any]:
    """A hook of certbot's breaks the configuration while it renews."""
    web.renewal("[renewalparams]", f"[renewalparams]\npre_hook = echo 'rubbish;' >> {web.nginx.configuration}")
    return {}


def stale(web: Web) -> dict[str, Any]:
    """Renewed by others, and the configuration is not valid: NGINX would say nothing and go on with the old certificate."""
    web.renewed_by_others()
    web.rubbish()
    return {}


def wrong(web: Web) -> dict[str, Any]:
    """Renewing is what would put it right: not now, and not by us."""
    authority = web.base.authority
    short = authority.issue(API, starts=timedelta(0), ends=timedelta(seconds=1))
    for name, issued in {WWW: authority.issue(API, starts=timedelta(0)), API: short, SHOP: authority.issue(SHOP, starts=DAY)}.items():
        web.put(issued, name)
    until(lambda: short.cert.not_valid_after_utc < datetime.now(tz=UTC), what="its end")
    pairs = [
        {"endpoint": endpoint, "file": str(web.live(name) / "fullchain.pem")}
        for name in WRONG for endpoint in web.lineage(name)["endpoints"]
    ]
    return {"lineages": [], "pairs": pairs}


def words(web: Web) -> dict[str, Any]:
    """Two servers that have not loaded theirs. One is asked and reloaded in its own words, and cannot be."""
    for name in web.names:
        web.renewed_by_others(name)
    asks = ["sh", "-c", f"echo asked >> {web.place}/asked"]
    return {"lineages": [web.lineage(WWW, service="haproxy", validate=asks, reload_command=["false"]), web.lineage(API)],
            "service_timeout": "30s"}


def another(web: Web) -> dict[str, Any]:
    """A broken NGINX is nothing to a mail server: its certificate is renewed, and it is reloaded in its own words."""
    web.rubbish()
    reload = ["sh", "-c", f"kill -0 {web.nginx.pid}; touch {web.place}/told"]
    return {"lineages": [web.lineage(service="postfix", reload_command=reload)]}


def one_of_two(web: Web) -> dict[str, Any]:
    """The ACME server gets no answer for the first."""
    web.renewal(str(web.certbot.webroot), "/nowhere")
    return {}


def unloaded(web: Web) -> dict[str, Any]:
    """It says that it was reloaded, and was not."""
    (web.nginx.place / "broken").touch()
    return {"service_timeout": "3s"}


def unloaded_in_compose(web: Web) -> dict[str, Any]:
    """The same in a container, with a certificate that others renewed."""
    web.renewed_by_others()
    return {**unloaded(web), **web.compose}


def down(web: Web) -> dict[str, Any]:
    """It does not run."""
    web.put(web.expired())
    web.nginx.stop()
    return {"lineages": [web.lineage(command=["true"])], "force": [WWW]}


def unloadable(web: Web) -> dict[str, Any]:
    """systemd does not know it."""
    (web.nginx.place / "unit").write_text('{"LoadState": "not-found"}')
    return {}


def by_hand(web: Web) -> dict[str, Any]:
    """The operator reloads it."""
    return {"service_name": ""}


def nothing(web: Web) -> dict[str, Any]:
    """No fault of the server's."""
    return {}


FAULTS: Mapping[str, Fault] = {
    "breaks": Fault(breaks, expired=True),
    "stale": Fault(stale),
    "wrong": Fault(wrong, names=tuple(WRONG)),
    "words": Fault(words, names=(WWW, API)),
    "another": Fault(another, expired=True),
    "one_of_two": Fault(one_of_two, names=(WWW, API), expired=True),
    "half": Fault(nothing, expired=True),
    "unloaded": Fault(unloaded, expired=True),
    "compose": Fault(unloaded_in_compose),
    "down": Fault(down),
    "unloadable": Fault(unloadable, expired=True),
    "by_hand": Fault(by_hand, expired=True),
    "unapproved": Fault(nothing, expired=True),
}


@pytest.fixture(scope="module")
def runs(fleet: Fleet) -> Runs:
    """Nobody waits for what is not to come."""
    webs = {name: fleet.add(name, *fault.names, expired=fault.expired) for name, fault in FAULTS.items()}
    hosts = {name: webs[name].variables(**{**LOST, **fault.make(webs[name])}) for name, fault in FAULTS.items()}
    # A list of what else runs there says nothing about the server, nor where its configuration is tested.
    hosts["by_hand"]["services"] = [{"name": "shop", "runtime": "compose", "where": {"directory": "/opt/shop"}}]
    hosts["unapproved"]["incident_approved_plan"] = make_plan(run="another", now=time.time(), actions={}).as_dict()
    other = another_nginx(fleet, webs["half"])
    third = {"host": WWW, "address": other.addresses[0], "port": other.tls_port, "label": "the third"}
    hosts["half"]["certificate_lineages"][0]["endpoints"].append(third)
    broken = fleet.play(hosts, *ACTING)
    other_served = other.serial(WWW)

    (webs["unloaded"].nginx.place / "broken").unlink()
    other.reload()
    whole = {name: webs[name].variables() for name in ("unloaded", "half")}
    whole["half"]["certificate_lineages"] = hosts["half"]["certificate_lineages"]
    return Runs(broken, fleet.play(whole, *ACTING), other_served)


def another_nginx(fleet: Fleet, web: Web) -> Nginx:
    """Half of a pool: another NGINX with the same files, which nobody tells to reload."""
    address = f"{web.nginx.addresses[0].rpartition('.')[0]}.3"
    other = Nginx(
        place=web.place / "other", hosts=web.nginx.hosts, tls_port=web.nginx.tls_port, http_port=web.nginx.http_port, addresses=[address],
    )
    fleet.stack.callback(other.stop)
    other.start()
    return other


def test_every_fault_is_a_failure_of_its_host_until_it_is_repaired(runs: Runs) -> None:
    assert (runs.broken.ended.status, runs.broken.ended.failed) == (2, set(FAULTS)), runs.broken.ended.output
    assert (runs.repaired.ended.status, runs.repaired.ended.failed) == (0, set()), runs.repaired.ended.output


def test_a_configuration_that_breaks_meanwhile_the_old_one_is_served(runs: Runs) -> None:
    actions = [(action["verb"], action["outcome"], action["detail"]["files"]) for action in runs.broken.ended.actions("breaks")]
    assert actions == [("renew_certificate", "failed", "restored")]
    said = runs.said("breaks")
    assert "mitigate: 1 of 1 actions did not work" in said and "configuration is not valid" in said
    assert "verify: Not recovered" in said, "and it is measured that it is not"
    before, after = runs.before("breaks"), runs.after("breaks")
    assert (after.served, after.contents, after.reloads) == (before.served, before.contents, 0)


def test_stale_and_a_broken_configuration_nothing_is_reloaded(runs: Runs) -> None:
    assert "is not valid" in runs.said("stale") and "so it is not reloaded" in runs.said("stale")
    assert (runs.after("stale").served, runs.after("stale").reloads) == (runs.before("stale").served, 0)


@pytest.mark.parametrize(("name", "check"), WRONG.items())
def test_a_newer_file_that_is_wrong_is_not_loaded(name: str, check: str, runs: Runs, fleet: Fleet) -> None:
    """What is served is good: a reload would break it."""
    web = fleet.webs["wrong"]
    file, server = web.live(name) / "fullchain.pem", f"{name}@{web.nginx.addresses[0]}"
    assert f"nginx-wrong is not reloaded: {file} is newer than what {server} serves, and wrong: {check}." in runs.said("wrong")
    assert (runs.broken.carried_out("wrong"), runs.after("wrong").reloads) == ([], 0)
    assert runs.after("wrong").serials(name) == runs.before("wrong").serials(name)


def test_one_server_that_cannot_be_reloaded_and_another_that_is_in_its_own_words(runs: Runs, fleet: Fleet) -> None:
    """Not with nginx -t: the lineage's service is asked and reloaded by the lineage's own commands."""
    outcomes = {action["target"]["service"]: action["outcome"] for action in runs.broken.ended.actions("words")}
    assert set(outcomes) == {"haproxy", "nginx-words"}
    assert outcomes["haproxy"] in NOT_DONE and outcomes["nginx-words"] == "done"
    assert (fleet.webs["words"].place / "asked").read_text().splitlines() == ["asked"]
    after = runs.after("words")
    assert after.reloads == 1
    assert after.serials(API) == {after.on_disk[API]}


def test_a_lineage_of_another_service_is_not_validated_as_the_first_one(runs: Runs, fleet: Fleet) -> None:
    assert runs.broken.carried_out("another")[0] == ("renew_certificate", "done"), runs.said("another")
    assert (fleet.webs["another"].place / "told").exists()
    assert "is not valid" not in runs.said("another")


def test_one_of_two_fails_and_the_other_is_served(runs: Runs, fleet: Fleet) -> None:
    actions = runs.broken.ended.actions("one_of_two")
    assert {(action["verb"], action["target"].get("name"), action["outcome"]) for action in actions} == {
        ("renew_certificate", WWW, "failed"), ("renew_certificate", API, "done"), ("reload_service", None, "done"),
    }
    after = runs.after("one_of_two")
    assert after.serials(API) == {after.on_disk[API]}
    first = fleet.webs["one_of_two"].nginx.addresses[0]
    assert f"expired {WWW}@{first}" in runs.said("one_of_two"), "verify says which"


def test_an_address_that_goes_on_with_the_old_one_fails(runs: Runs) -> None:
    assert runs.broken.carried_out("half") == RENEWED
    said = runs.said("half")
    assert "stale_in_memory the third" in said and f"{WWW}@" not in said.rpartition("verify: ")[2]
    after = runs.after("half")
    assert after.serials() == {after.on_disk[WWW]} != {runs.other_served}
    assert runs.repaired.carried_out("half") == [] and runs.repaired.after["half"].contents == after.contents, "told, it is well"


def test_a_reload_that_does_not_happen_is_a_failure(runs: Runs) -> None:
    renewed, reloaded = runs.broken.carried_out("unloaded")
    assert renewed == ("renew_certificate", "done")
    assert reloaded[0] == "reload_service" and reloaded[1] in NOT_DONE
    assert runs.repaired.carried_out("unloaded") == [("reload_service", "done")], "not renewed again"
    assert runs.repaired.orders == 0


def test_nor_is_it_in_a_container(runs: Runs) -> None:
    ((verb, outcome),) = runs.broken.carried_out("compose")
    assert verb == "reload_service" and outcome in NOT_DONE


def test_a_server_that_does_not_run_is_not_started(runs: Runs, fleet: Fleet) -> None:
    assert runs.broken.carried_out("down")[0] == ("renew_certificate", "failed")
    assert fleet.webs["down"].nginx.calls("start") == 1, "the test's own"


def test_nothing_is_renewed_that_no_server_could_be_told_to_load(runs: Runs) -> None:
    said = runs.said("unloadable")
    assert "Nothing is renewed, since what serves it could not be reloaded. nginx-unloadable: " in said
    assert "set certificate_service_name to an empty text" in said
    assert set(runs.broken.ended.outcomes("unloadable")) <= {"planned"}
    before, after = runs.before("unloadable"), runs.after("unloadable")
    assert (after.served, after.contents, after.reloads) == (before.served, before.contents, 0)


def test_the_operator_reloads_it(runs: Runs) -> None:
    """With an empty name of the service the renewal is done, nothing is reloaded, and verify says what is still served."""
    assert runs.broken.carried_out("by_hand") == [("renew_certificate", "done")]
    before, after = runs.before("by_hand"), runs.after("by_hand")
    assert after.reloads == 0 and after.served == before.served and after.serials() != {after.on_disk[WWW]}
    assert f"stale_in_memory {WWW}@" in runs.said("by_hand").rpartition("verify: ")[2]


def test_what_was_not_approved_is_not_renewed(runs: Runs) -> None:
    assert set(runs.broken.ended.outcomes("unapproved")) == {"refused"}
    before, after = runs.before("unapproved"), runs.after("unapproved")
    assert (after.served, after.contents, after.reloads) == (before.served, before.contents, 0)
