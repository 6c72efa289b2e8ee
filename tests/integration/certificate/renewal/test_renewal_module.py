# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""cert_renew alone: what it renews, what it refuses, what it puts back."""

from __future__ import annotations

import json
import os
import shutil
import signal
import stat
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.support.acme import TRUST
from tests.support.pki import DAY, Issued, to_pem, weak_rsa_key
from tests.support.processes import alive
from tests.support.run_module import start_module
from tests.support.until import until

from .conftest import API, WWW, Base, Web, contents


def only(result: dict[str, Any]) -> dict[str, Any]:
    """The one action of a result."""
    (action,) = result["actions"]
    found: dict[str, Any] = action
    return found


def installs(web: Web, issued: Issued, *, key: bytes = b"", before: str = "", after: str = "") -> dict[str, Any]:
    """A lineage whose command puts a certificate in place, as a client other than certbot would."""
    source = web.place / "new"
    source.mkdir(exist_ok=True)
    (source / "fullchain.pem").write_bytes(to_pem(*issued.chain))
    (source / "privkey.pem").write_bytes(key or issued.key_pem)
    live = web.live()
    copies = "; ".join(f"cat {source}/{name}.pem > {live}/{name}.pem" for name in ("fullchain", "privkey"))
    script = f"set -e; {before or ':'}; {copies}; {after}"
    return {
        "name": WWW, "names": [WWW], "certificate": str(live / "fullchain.pem"), "key": str(live / "privkey.pem"),
        "command": ["sh", "-c", script],
    }


def at_work(web: Web, reached: Path) -> bool:
    """Whether the command is in the middle, and the module has noted its process."""
    return reached.exists() and any(json.loads(one.read_text())["pid"] for one in web.backups.rglob("manifest.json"))


def test_not_due_is_not_renewed(web: Web) -> None:
    orders, before = web.base.acme.orders, web.tree()
    result = web.renew()
    assert (result["changed"], result["actions"]) == (False, [])
    assert web.base.acme.orders == orders
    assert web.tree() == before


def test_not_due_and_told_to(web: Web) -> None:
    before = web.on_disk()
    result = web.renew(force=[WWW])
    assert (only(result)["outcome"], result["changed"]) == ("done", True), result
    assert web.on_disk() != before
    assert only(result)["detail"]["after"]["serial"] == web.on_disk()


def test_check_mode_touches_nothing_and_plans_the_same(expired: Web) -> None:
    before = expired.tree()
    planned = expired.renew(check=True)
    assert only(planned)["outcome"] == "planned"
    assert expired.tree() == before
    again = expired.renew(check=True)
    assert only(again)["id"] == only(planned)["id"]
    done = expired.renew(approved=[only(planned)["id"]])
    assert only(done)["outcome"] == "done"
    assert only(done)["id"] == only(planned)["id"]


def test_what_was_not_approved_is_not_renewed(expired: Web) -> None:
    orders, before = expired.base.acme.orders, contents(expired)
    assert only(expired.renew(approved=[]))["outcome"] == "refused"
    other = expired.renew(approved=["renew_certificate|host:elsewhere|name=x"])
    assert [(action["outcome"], action["detail"]["why"]) for action in other["actions"]] == [
        ("refused", "not_approved"), ("moved_on", "no_longer_matches"),
    ]
    assert (expired.base.acme.orders, contents(expired)) == (orders, before)


def test_the_backup_has_everything_with_its_modes(expired: Web) -> None:
    wanted = {
        path: what for path, what in contents(expired).items() if WWW in path
    }
    action = only(expired.renew())
    backup = Path(action["detail"]["backup"])
    copied = {
        str(path).removeprefix(str(backup / "files")): path for path in (backup / "files").rglob("*") if path.is_symlink() or path.is_file()
    }
    assert set(copied) == set(wanted)
    key = copied[str(expired.certbot.config / "archive" / WWW / "privkey1.pem")]
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for place in (backup, backup.parent, expired.backups):
        assert stat.S_IMODE(place.stat().st_mode) == 0o700
    manifest = json.loads((backup / "manifest.json").read_text())
    assert manifest["state"] == "accepted"
    assert stat.S_IMODE((backup / "manifest.json").stat().st_mode) == 0o600


def test_the_authority_is_not_there(expired: Web) -> None:
    before = contents(expired)
    expired.base.acme.stop()
    try:
        result = expired.renew()
        after = contents(expired)
    finally:
        expired.base.acme.start()
        renewed_accounts(expired.base)
    assert result["failed"] and only(result)["outcome"] == "failed"
    assert "certbot ended with status 1" in result["msg"]
    assert "localhost" in result["msg"], "certbot's own words"
    assert only(result)["detail"]["files"] == "unchanged"
    assert after == before


def renewed_accounts(base: Base) -> None:
    """A pebble that was started again has forgotten everybody: the tests that follow get new certificates."""
    shutil.rmtree(base.certbot.config, ignore_errors=True)
    for name in (WWW, API):
        base.certbot.obtain(name)
    shutil.rmtree(base.saved)
    shutil.copytree(base.certbot.config, base.saved, symlinks=True)


def test_one_that_is_not_for_its_names_is_put_back(expired: Web) -> None:
    """certbot renews for the names that it knows; the inventory wants one more."""
    before = contents(expired)
    result = expired.renew(lineages=[{"name": WWW, "names": [WWW, "shop.example.org"]}])
    assert result["failed"], result
    action = only(result)
    assert (action["outcome"], action["detail"]["files"]) == ("failed", "restored")
    assert "it is not for shop.example.org" in result["msg"]
    assert contents(expired) == before
    rejected = Path(action["detail"]["backup"]) / "rejected"
    assert list(rejected.rglob("privkey2.pem")), "what was rejected is kept beside"


@pytest.mark.parametrize(("what", "said"), [
    ("names", "it is not for www.example.org"), ("key", "is not the certificate's"), ("expired", "it expired"),
    ("early", "it is not valid yet"), ("shorter", "does not live longer"), ("chain", "between it and the root are missing"),
    ("rubbish", "no readable certificate"),
])
def test_what_may_not_be_served_is_put_back(web: Web, what: str, said: str) -> None:
    authority = web.base.authority
    present = authority.issue(WWW, starts=-80 * DAY, ends=(-1 if what not in ("expired", "shorter") else 3) * DAY)
    web.put(present)
    before = contents(web)
    issued = {
        "names": lambda: authority.issue(API), "expired": lambda: authority.issue(WWW, starts=-9 * DAY, ends=-DAY / 24),
        "early": lambda: authority.issue(WWW, starts=DAY), "shorter": lambda: authority.issue(WWW, ends=DAY),
        "chain": lambda: replace(authority.issue(WWW), above=()),
    }.get(what, lambda: authority.issue(WWW))()
    lineage = installs(web, issued, key=present.key_pem if what == "key" else b"")
    if what == "rubbish":
        lineage["command"] = ["sh", "-c", f"echo nonsense > {web.live()}/fullchain.pem"]
    result = web.renew(lineages=[lineage])
    assert said in result["msg"]
    assert only(result)["detail"]["files"] == "restored"
    assert contents(web) == before


def test_a_command_that_does_nothing_is_no_success(expired: Web) -> None:
    before = contents(expired)
    result = expired.renew(lineages=[{"name": WWW, "command": ["true"]}])
    assert result["failed"]
    assert "the certificate is the one from before" in result["msg"]
    assert contents(expired) == before


def test_certbot_that_does_not_think_it_due_is_said(web: Web) -> None:
    result = web.renew(due_days=36500, due_percent=100)
    assert result["failed"]
    assert "must be forced" in result["msg"]
    assert "not yet due" in result["msg"], "certbot's own words"


def test_another_client_and_the_server_takes_it(web: Web) -> None:
    web.put(web.expired())
    new = web.base.authority.issue(WWW)
    result = web.renew(lineages=[installs(web, new)])
    assert only(result)["outcome"] == "done", result
    assert web.on_disk() == new.serial
    assert only(result)["detail"]["validated"] is True


def test_a_server_that_refuses_the_new_one_keeps_the_old(expired: Web) -> None:
    """A key of 1024 bits belongs to its certificate and its names, and NGINX will not have it."""
    before = contents(expired)
    served = expired.serial()
    result = expired.renew(lineages=[installs(expired, expired.base.authority.issue(WWW, key=weak_rsa_key()))])
    assert result["failed"]
    assert "configuration is not valid" in result["msg"] and "key too small" in result["msg"]
    assert only(result)["detail"]["files"] == "restored"
    assert contents(expired) == before
    expired.nginx.reload()
    assert expired.serial() == served


def test_a_configuration_that_is_broken_already_costs_no_order(expired: Web) -> None:
    before, orders = contents(expired), expired.base.acme.orders
    expired.nginx.configuration.write_text(expired.nginx.configuration.read_text() + "rubbish;")
    result = expired.renew()
    assert result["failed"]
    assert "nothing was renewed, since the server could not be reloaded" in result["msg"]
    assert (contents(expired), expired.base.acme.orders) == (before, orders)


def test_a_configuration_that_breaks_meanwhile(expired: Web) -> None:
    """A hook of certbot's breaks it: everything that certbot did is put back, how it renews as well."""
    conf = expired.certbot.config / "renewal" / f"{WWW}.conf"
    text = conf.read_text()
    conf.write_text(text.replace("[renewalparams]", f"[renewalparams]\npre_hook = echo 'rubbish;' >> {expired.nginx.configuration}"))
    before, served = contents(expired), expired.serial()
    result = expired.renew()
    assert result["failed"]
    assert "configuration is not valid" in result["msg"]
    assert only(result)["detail"]["files"] == "restored"
    changed = {path for path in before if contents(expired)[path] != before[path]}
    assert changed == set()
    assert expired.serial() == served


def test_of_two_one_fails(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    conf = two.certbot.config / "renewal" / f"{WWW}.conf"
    conf.write_text(conf.read_text().replace(str(two.certbot.webroot), "/nowhere"))
    api, www = two.on_disk(API), two.on_disk(WWW)
    result = two.renew()
    outcomes = {action["target"]["name"]: action["outcome"] for action in result["actions"]}
    assert outcomes == {WWW: "failed", API: "done"}
    assert result["failed"] and result["changed"]
    assert "1 of 2 actions did not work" in result["msg"] and WWW in result["msg"]
    assert two.on_disk(WWW) == www
    assert two.on_disk(API) != api


def test_more_than_the_limit_renews_none(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    before, orders = contents(two), two.base.acme.orders
    result = two.renew(max_renewals=1)
    assert (result["failed"], result["error"]) == (True, "limit_exceeded")
    assert [action["outcome"] for action in result["actions"]] == ["refused", "refused"]
    assert two.renew(max_renewals=3, spent=2)["error"] == "limit_exceeded"
    assert (contents(two), two.base.acme.orders) == (before, orders)


def test_limits_count_what_is_approved(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    planned = {action["target"]["name"]: action for action in two.renew(check=True)["actions"]}
    www = two.on_disk(WWW)
    result = two.renew(max_renewals=1, approved=[planned[API]])
    assert {action["target"]["name"]: action["outcome"] for action in result["actions"]} == {WWW: "refused", API: "done"}, result
    assert two.on_disk(WWW) == www


def test_every_approved_one_is_answered_also_when_it_is_renewed_by_others_or_not_due_any_more(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    planned = two.renew(check=True)["actions"]
    two.put(two.base.authority.issue(WWW))
    before = two.tree()
    # The other one is there still. What is due has changed.
    result = two.renew(approved=planned, lineages=[{"name": WWW}])
    assert {action["target"]["name"]: (action["outcome"], action["detail"]["why"]) for action in result["actions"]} == {
        WWW: ("moved_on", "identity_changed"), API: ("moved_on", "no_longer_matches"),
    }
    assert not result["changed"] and not result.get("failed") and two.tree() == before
    forced = two.renew(check=True, force=[WWW], lineages=[{"name": WWW}])["actions"]
    undue = two.renew(approved=forced, lineages=[{"name": WWW}])
    assert (only(undue)["outcome"], only(undue)["detail"]["why"], only(undue)["detail"]["error"]) == (
        "moved_on", "no_longer_matches", "it is not due")
    assert two.tree() == before


def test_without_a_backup_none_is_renewed_and_each_says_so(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    before, orders = contents(two), two.base.acme.orders
    result = two.renew(backup_dir=str(two.nginx.configuration / "backups"))
    assert (result["error"], result["changed"]) == ("actions_failed", False)
    assert [(one["outcome"], one["detail"]["why"], one["touched"]) for one in result["actions"]] == [("failed", "not_tried", False)] * 2
    assert "No backup could be made" in result["msg"] and "set backup_dir" in result["hint"]
    assert (contents(two), two.base.acme.orders) == (before, orders)


def test_failures_are_not_repeated_for_ever(expired: Web) -> None:
    lineage = {"name": WWW, "command": ["sh", "-c", f"echo x >> {expired.place}/tries; exit 1"]}
    outcomes = [only(expired.renew(lineages=[lineage], max_failures=2))["outcome"] for _time in range(4)]
    assert outcomes == ["failed", "failed", "refused", "refused"]
    assert only(expired.renew(lineages=[lineage], max_failures=2, check=True))["detail"]["why"] == "limit_exceeded"
    assert (expired.place / "tries").read_text().count("x") == 2
    result = expired.renew(lineages=[lineage], max_failures=2, failure_window="0s")
    assert only(result)["outcome"] == "failed", "what failed long ago does not count"


def test_a_command_that_hangs_is_ended(expired: Web) -> None:
    before = contents(expired)
    pids = expired.place / "pids"
    lineage = {"name": WWW, "command": ["sh", "-c", f"echo $$ > {pids}; sleep 600 & echo $! >> {pids}; wait"]}
    result = expired.renew(lineages=[lineage], timeout="2s")
    assert "did not end in time" in result["msg"]
    assert contents(expired) == before
    for pid in pids.read_text().split():
        until(lambda pid=pid: not alive(int(pid)), what="the end of the command and of its children")  # type: ignore[misc]


@pytest.mark.parametrize("left", ["nothing", "half", "whole"])
def test_killed_while_it_renewed(web: Web, left: str) -> None:
    """The next run finds it: waits for the command, then keeps what may be served and puts the rest back."""
    web.put(web.expired())
    before = contents(web)
    new = web.base.authority.issue(WWW)
    lineage = installs(web, new)
    reached, go_on = web.place / "reached", web.place / "go"
    hold = f"touch {reached}; while [ ! -e {go_on} ]; do sleep 0.1; done"
    if left == "whole":
        lineage = installs(web, new, after=hold)
    elif left == "half":
        lineage["command"][2] = lineage["command"][2].replace(f"cat {web.place}/new/privkey.pem", f"{hold}; exit 0; cat x")
    else:
        lineage = installs(web, new, before=f"{hold}; exit 0")
    running_module = start_module("cert_renew", **{**web.module_args, "lineages": [lineage]})
    try:
        until(lambda: at_work(web, reached), what="the command to be in the middle")
    finally:
        running_module.kill()
    early = web.renew(lineages=[lineage])
    assert "still renews it" in early["msg"]
    assert [action["verb"] for action in early["actions"]] == ["settle_renewal"]
    assert early["actions"][0]["detail"]["why"] == "still_at_work" and early["actions"][0]["touched"] is False

    go_on.touch()
    until(lambda: "it still runs" not in str(web.renew(check=True, lineages=[lineage])["actions"]), what="the command to end")
    untouched = web.tree()
    planned = web.renew(check=True, lineages=[lineage])
    assert web.tree() == untouched
    quick = installs(web, new)
    if left != "whole":
        waits = web.renew(lineages=[quick], approved=[action for action in planned["actions"] if action["verb"] == "renew_certificate"])
        assert [(action["outcome"], action["detail"]["why"]) for action in waits["actions"]] == [
            ("refused", "not_approved"), ("refused", "waits_for_another")]
        assert web.tree() == untouched
    settled = web.renew(lineages=[quick], approved=[action["id"] for action in planned["actions"] if action["verb"] == "settle_renewal"])
    action = next(action for action in settled["actions"] if action["verb"] == "settle_renewal")
    assert action["outcome"] == "done", settled
    if left == "whole":
        assert action["detail"]["kept"] and web.on_disk() == new.serial
        assert settled["actions"] == [action], "and it is not renewed a second time"
    else:
        assert action["detail"]["files"] == ("restored" if left == "half" else "kept")
        assert contents(web) == before
        assert only(web.renew(lineages=[quick]))["outcome"] == "done"
    assert web.renew(lineages=[quick])["actions"] == []


def test_a_repair_by_hand_outlives_a_killed_run(web: Web) -> None:
    """The certificate is the one from before and its key fits: what else differs is somebody's work."""
    present = web.expired()
    web.put(present)
    fullchain = web.live() / "fullchain.pem"
    fullchain.write_bytes(to_pem(present.cert))
    reached = web.place / "reached"
    lineage = {"name": WWW, "command": ["sh", "-c", f"touch {reached}; exec sleep 600"]}
    module = start_module("cert_renew", **{**web.module_args, "lineages": [lineage]})
    try:
        until(lambda: at_work(web, reached), what="the command to be in the middle")
    finally:
        module.kill()
    (manifest,) = web.backups.glob(f"{WWW}/*/manifest.json")
    command = json.loads(manifest.read_text())["pid"]
    os.kill(command, signal.SIGKILL)
    until(lambda: not alive(command), what="the end of the command")
    fullchain.write_bytes(to_pem(*present.chain))
    repaired = contents(web)
    result = web.renew(lineages=[{"name": WWW, "command": ["true"]}])
    settled = result["actions"][0]
    assert (settled["verb"], settled["outcome"]) == ("settle_renewal", "done"), result
    assert settled["detail"]["files"] == "kept"
    assert contents(web) == repaired
    assert json.loads(manifest.read_text())["state"] == "failed"


def test_a_good_one_is_kept_though_the_command_failed(expired: Web) -> None:
    """As when a hook of certbot's fails: a status is no look at the files."""
    before, orders = expired.on_disk(), expired.base.acme.orders
    certbot = ["sh", "-c", 'certbot "$@"; echo the hook failed; exit 3', "sh"]
    action = only(expired.renew(certbot=certbot))
    assert action["outcome"] == "done", action
    assert "status 3" in action["detail"]["command_failed"] and "the hook failed" in action["detail"]["command_failed"]
    assert action["detail"]["after"]["serial"] == expired.on_disk() != before
    assert json.loads((Path(action["detail"]["backup"]) / "manifest.json").read_text())["state"] == "accepted", "no failure is counted"
    assert (expired.renew()["actions"], expired.base.acme.orders) == ([], orders + 1)


@pytest.mark.parametrize("broken", ["names", "configuration"])
def test_what_a_failed_command_left_and_may_not_be_served_is_put_back(expired: Web, broken: str) -> None:
    before = contents(expired)
    rubbish = f"echo 'rubbish;' >> {expired.nginx.configuration}; " if broken == "configuration" else ""
    issued = expired.base.authority.issue(API if broken == "names" else WWW)
    result = expired.renew(lineages=[installs(expired, issued, after=f"{rubbish}echo sorry; exit 4")])
    assert "ended with status 4: sorry" in result["msg"]
    assert {"names": "it is not for www.example.org", "configuration": "configuration is not valid"}[broken] in result["msg"]
    assert only(result)["detail"]["files"] == "restored"
    assert contents(expired) == before


@pytest.mark.parametrize("good", [True, False])
def test_certbots_timer_at_the_same_moment(expired: Web, good: bool) -> None:
    """Ours is told that another instance runs. What the other one leaves is judged when it has ended, and never put back before."""
    place, old = expired.place, expired.on_disk()
    hold = "sh -c 'touch {0}.reached; while [ ! -e {0}.go ]; do sleep 0.1; done'"
    timer = subprocess.Popen(
        ["certbot", "renew", "--cert-name", WWW, "--non-interactive", "--no-random-sleep-on-renew", "--config-dir",
         str(expired.certbot.config), *expired.certbot.args, "--pre-hook", hold.format(place / "pre"),
         "--deploy-hook", hold.format(place / "deploy")],
        env={**os.environ, TRUST: str(expired.base.acme.ca)}, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until((place / "pre.reached").exists, what="the other certbot to be at work")
        lineage = {"name": WWW, "names": [WWW] if good else [WWW, "shop.example.org"]}
        args = {**expired.module_args, "lineages": [lineage], "timeout": "60s" if good else "10s"}
        module = start_module("cert_renew", env={TRUST: str(expired.base.acme.ca)}, **args)
        try:
            until(lambda: refused_by_the_other(expired), what="the module's certbot to be told that another one runs")
            (place / "pre.go").touch()
            until((place / "deploy.reached").exists, what="the other one's certificate")
            new = expired.on_disk()
            assert new != old
            if good:
                (place / "deploy.go").touch()
            action = only(module.result(timeout=120))
        finally:
            module.kill()
        if good:
            assert action["outcome"] == "done", action
            assert "Another instance of Certbot is already running" in action["detail"]["command_failed"]
        else:
            assert (action["outcome"], action["detail"]["files"]) == ("failed", "in use"), action
            early = expired.renew(lineages=[lineage])
            assert ".certbot.lock still renews it" in early["msg"]
        assert expired.on_disk() == new
        (place / "deploy.go").touch()
        timer.wait(timeout=60)
        if not good:
            assert expired.renew(lineages=[lineage])["actions"][0]["detail"]["files"] == "restored"
            assert expired.on_disk() == old
    finally:
        timer.kill()
        timer.wait(timeout=10)


def refused_by_the_other(web: Web) -> bool:
    """Whether the module's own certbot has come and gone."""
    for manifest in web.backups.glob(f"{WWW}/*/manifest.json"):
        pid = json.loads(manifest.read_text())["pid"]
        return bool(pid) and not alive(pid)
    return False


def test_two_at_the_same_time(expired: Web) -> None:
    reached, go_on = expired.place / "reached", expired.place / "go"
    lineage = {"name": WWW, "command": ["sh", "-c", f"touch {reached}; while [ ! -e {go_on} ]; do sleep 0.1; done; exit 1"]}
    first = start_module("cert_renew", **{**expired.module_args, "lineages": [lineage]})
    try:
        until(reached.exists, what="the first one to be at work")
        second = expired.renew(lineages=[lineage])
        assert second["failed"] and second["error"] == "locked", second
        planned = expired.renew(lineages=[lineage], check=True)["actions"]
        answered = expired.renew(lineages=[lineage], approved=planned)["actions"]
        said = [(one["id"], one["outcome"], one["detail"]["why"]) for one in answered]
        assert planned and said == [(one["id"], "refused", "locked") for one in planned]
        go_on.touch()
        assert first.result()["actions"][0]["outcome"] == "failed"
    finally:
        first.kill()


@pytest.mark.parametrize(("given", "said"), [
    ({"certbot": ["/nowhere/certbot"]}, "/nowhere/certbot is not on this host"),
    ({"validate": ["/nowhere/nginx", "-t"]}, "/nowhere/nginx is not on this host"),
    ({"lineages": [{"name": "../etc"}]}, "is not the name of a certificate"),
    ({"lineages": [{"name": "-x"}]}, "is not the name of a certificate"),
    ({"lineages": [{"name": WWW}, {"name": WWW}]}, "is there twice"),
    ({"lineages": [{"name": WWW, "certificate": "a.pem"}]}, "is not an absolute path"),
    ({"force": ["other"]}, "other is not among the lineages"),
    ({"due_percent": 101}, "due_percent: 101 is out of range"),
    ({"timeout": "soon"}, "timeout: 'soon' is not a duration"),
    ({"max_renewals": -1}, "max_renewals"),
])
def test_bad_input_is_said_before_anything_is_touched(expired: Web, given: dict[str, Any], said: str) -> None:
    before = expired.tree()
    result = expired.renew(**given)
    assert (result["failed"], result["error"]) == (True, "bad_input")
    assert said in result["msg"]
    assert expired.tree() == before


def test_old_backups_go_and_the_last_ten_stay(web: Web) -> None:
    new = [web.base.authority.issue(WWW, ends=(90 + number) * DAY) for number in range(12)]
    for issued in new:
        assert only(web.renew(lineages=[installs(web, issued)], force=[WWW]))["outcome"] == "done"
    assert len(os.listdir(web.backups / WWW)) == 10
