# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The scenario certificate-renewal when something goes wrong on the way: what is served then, and what is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.nginx import Nginx
from tests.support.pki import DAY
from tests.support.until import until

from .conftest import ADDRESSES, API, LOST, NOT_DONE, WWW, Web, contents


def test_a_configuration_that_breaks_meanwhile_the_old_one_is_served(expired: Web) -> None:
    conf = expired.base.certbot.config / "renewal" / f"{WWW}.conf"
    conf.write_text(conf.read_text().replace(
        "[renewalparams]", f"[renewalparams]\npre_hook = echo 'rubbish;' >> {expired.nginx.configuration}",
    ))
    before, files = expired.serial(), contents(expired)
    done = expired.play(**LOST)
    assert done.status == 2
    assert [(action["verb"], action["outcome"], action["detail"]["files"]) for action in done.actions()] == [
        ("renew_certificate", "failed", "restored"),
    ]
    said = " ".join(done.output.split())
    assert "mitigate: 1 of 1 actions did not work" in said and "configuration is not valid" in said
    assert "verify: Not recovered" in said, "and it is measured that it is not"
    assert {expired.serial(address=address) for address in ADDRESSES} == {before}
    assert contents(expired) == files
    assert expired.nginx.calls("reload") == 0


def test_stale_and_a_broken_configuration_nothing_is_reloaded(web: Web) -> None:
    """NGINX would say nothing and go on with the old certificate."""
    old = web.serial()
    web.renewed_by_others()
    web.nginx.configuration.write_text(web.nginx.configuration.read_text() + "rubbish;")
    done = web.play("--tags", "mitigate")
    assert done.status == 2
    assert "is not valid" in done.output and "so it is not reloaded" in " ".join(done.output.split())
    assert web.nginx.calls("reload") == 0
    assert web.serial() == old


@pytest.mark.parametrize(("wrong", "check"), [("name", "name_mismatch"), ("expired", "expired"), ("early", "not_yet_valid")])
def test_a_newer_file_that_is_wrong_is_not_loaded(web: Web, wrong: str, check: str) -> None:
    """What is served is good: a reload would break it."""
    old, authority = web.serial(), web.base.authority
    issued = {
        "name": lambda: authority.issue(API, starts=timedelta(0)),
        "expired": lambda: authority.issue(WWW, starts=timedelta(0), ends=timedelta(seconds=1)),
        "early": lambda: authority.issue(WWW, starts=DAY),
    }[wrong]()
    web.put(issued)
    if wrong == "expired":
        until(lambda: issued.cert.not_valid_after_utc < datetime.now(tz=UTC), what="its end")
    # Renewing is what would put it right: not now, and not by us.
    done = web.play("--tags", "mitigate", lineages=[], pairs=[
        {"endpoint": endpoint, "file": str(web.live() / "fullchain.pem")} for endpoint in web.lineage()["endpoints"]
    ])
    assert done.status == 2
    said = " ".join(done.output.split())
    assert f"nginx is not reloaded: {web.live()}/fullchain.pem is newer than what {WWW}@127.0.0.1 serves, and wrong: {check}" in said
    assert (done.actions(), web.nginx.calls("reload")) == ([], 0)
    assert {web.serial(address=address) for address in ADDRESSES} == {old}


def test_an_expired_file_that_is_newer_is_renewed_and_loaded(web: Web) -> None:
    """What the renewal replaces says nothing about what it put there."""
    old = web.serial()
    issued = web.base.authority.issue(WWW, starts=timedelta(0), ends=timedelta(seconds=1))
    web.put(issued)
    until(lambda: issued.cert.not_valid_after_utc < datetime.now(tz=UTC), what="its end")
    done = web.play()
    assert done.status == 0, done.output
    assert [(action["verb"], action["outcome"]) for action in done.actions()] == [("renew_certificate", "done"), ("reload_service", "done")]
    assert web.serial() == web.on_disk() != old


def test_one_server_that_cannot_be_reloaded_and_another_that_is_in_its_own_words(two: Web) -> None:
    """Not with nginx -t: the lineage's service is asked and reloaded by the lineage's own commands."""
    for name in two.names:
        two.renewed_by_others(name)
    mark = two.site.place / "asked"
    first = two.lineage(WWW, service="other", validate=["sh", "-c", f"echo asked >> {mark}"], reload_command=["false"])
    done = two.play("--tags", "mitigate", lineages=[first, two.lineage(API)], service_timeout="8s")
    assert done.status == 2
    assert {(action["target"]["service"], action["outcome"]) for action in done.actions()} == {("other", "failed"), ("nginx", "done")}
    assert mark.read_text().splitlines() == ["asked"]
    assert two.nginx.calls("reload") == 1
    assert {two.serial(API, address=address) for address in ADDRESSES} == {two.on_disk(API)}


def test_a_lineage_of_another_service_is_not_validated_as_the_first_one(expired: Web) -> None:
    """A broken NGINX is nothing to a mail server: its certificate is renewed, and it is reloaded in its own words."""
    expired.nginx.configuration.write_text(expired.nginx.configuration.read_text() + "rubbish;")
    lineage = expired.lineage(service="other", reload_command=["sh", "-c", f"kill -0 {expired.nginx.pid}; touch {expired.site.place}/told"])
    done = expired.play("--tags", "mitigate", lineages=[lineage], service_timeout="4s")
    assert (done.actions()[0]["verb"], done.actions()[0]["outcome"]) == ("renew_certificate", "done"), done.output
    assert (expired.site.place / "told").exists()
    assert "is not valid" not in done.output


def test_a_new_one_for_other_names_is_put_back(expired: Web) -> None:
    before, files = expired.serial(), contents(expired)
    done = expired.play("--tags", "mitigate", lineages=[expired.lineage(names=[WWW, "shop.example.org"])])
    assert done.status == 2
    assert "it is not for shop.example.org" in " ".join(done.output.split())
    assert done.outcomes() == ["failed"]
    assert (expired.serial(), contents(expired)) == (before, files)


def test_one_of_two_fails_and_the_other_is_served(two: Web) -> None:
    for name in two.names:
        two.put(two.expired(name), name)
    two.nginx.reload()
    conf = two.base.certbot.config / "renewal" / f"{WWW}.conf"
    conf.write_text(conf.read_text().replace(str(two.base.certbot.webroot), "/nowhere"))
    done = two.play(**LOST)
    assert done.status == 2
    assert {(action["verb"], action["target"].get("name"), action["outcome"]) for action in done.actions()} == {
        ("renew_certificate", WWW, "failed"), ("renew_certificate", API, "done"), ("reload_service", None, "done"),
    }
    assert two.serial(API) == two.on_disk(API)
    assert f"expired {WWW}@127.0.0.1" in " ".join(done.output.split()), "verify says which"


def test_an_address_that_goes_on_with_the_old_one_fails(expired: Web) -> None:
    """Half of a pool is not reloaded: another NGINX with the same files, which nobody told."""
    other = Nginx(
        place=expired.site.place / "other", hosts=expired.nginx.hosts, tls_port=expired.nginx.tls_port, http_port=expired.nginx.http_port,
        addresses=["127.0.0.3"],
    )
    other.start()
    try:
        lineage = expired.lineage()
        lineage["endpoints"].append({"host": WWW, "address": "127.0.0.3", "port": other.tls_port, "label": "the third"})
        done = expired.play(lineages=[lineage], **LOST)
        assert done.status == 2
        assert done.outcomes() == ["done", "done"]
        said = " ".join(done.output.split())
        assert "stale_in_memory the third" in said and "@127.0.0.1" not in said.rpartition("verify: ")[2]
        assert expired.serial() == expired.on_disk() != other.serial(WWW)
    finally:
        other.stop()


def test_a_reload_that_does_not_happen_is_a_failure(expired: Web) -> None:
    (expired.nginx.place / "broken").touch()
    done = expired.play("--tags", "mitigate", service_timeout="4s")
    assert done.status == 2
    assert [action["verb"] for action in done.actions()] == ["renew_certificate", "reload_service"]
    assert done.outcomes()[0] == "done" and done.outcomes()[1] in NOT_DONE
    (expired.nginx.place / "broken").unlink()
    again = expired.play()
    assert again.status == 0, again.output
    assert [(action["verb"], action["outcome"]) for action in again.actions()] == [("reload_service", "done")], "not renewed again"


def test_a_server_that_does_not_run_is_not_started(web: Web) -> None:
    web.put(web.expired())
    web.nginx.stop()
    done = web.play(lineages=[web.lineage(command=["true"])], force=[WWW], **LOST)
    assert done.status == 2
    assert web.nginx.calls("start") == 1, "the test's own"
