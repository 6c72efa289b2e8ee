# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same arguments against a real CrowdSec: its local API on the loopback, with a database of its own and no central API.

CrowdSec's package registers the machine with its makers when it is installed, so CI does not install it; where it is not there these are
skipped, and the recorded answers of cscli 1.4.6 in the unit tests remain.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from demo.ports import free_port
from tests.support.netns import Namespace, namespace
from tests.support.until import until

ETC = Path("/etc/crowdsec")


@dataclass
class CrowdSec:
    """One that runs."""

    net: Namespace
    directory: Path

    @property
    def command(self) -> list[str]:
        return ["cscli", "-c", str(self.directory / "config.yaml")]

    def cscli(self, *words: str) -> str:
        return self.net.run(*self.command, *words)

    def module(self, module: str, **args: Any) -> dict[str, Any]:
        return self.net.module(module, backend="crowdsec", client_command=self.command, **args)


def configuration(directory: Path, port: int) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load((ETC / "config.yaml").read_text())
    config["common"] = {"daemonize": False, "log_media": "stdout", "log_level": "error", "working_dir": str(directory)}
    config["config_paths"] |= {"config_dir": str(directory), "data_dir": str(directory / "data")}
    config["db_config"] |= {"db_path": str(directory / "data" / "db"), "use_wal": True}
    config["api"]["client"]["credentials_path"] = str(directory / "credentials.yaml")
    config["api"]["server"] = {"listen_uri": f"127.0.0.1:{port}", "profiles_path": str(ETC / "profiles.yaml"), "log_level": "error",
                               "trusted_ips": ["127.0.0.1"]}
    config["prometheus"] = {"enabled": False}
    return config


@pytest.fixture(scope="module")
def crowdsec() -> Iterator[CrowdSec]:
    if not (shutil.which("cscli") and shutil.which("crowdsec") and (ETC / "config.yaml").exists()):
        pytest.skip("CrowdSec is not installed; CI does not install it, since its package registers the machine with its makers")
    directory = Path(tempfile.mkdtemp(prefix="cs-", dir="/tmp"))
    with namespace() as net:
        port = free_port()
        server = CrowdSec(net, directory)
        (directory / "data").mkdir()
        (directory / "credentials.yaml").touch()
        (directory / "config.yaml").write_text(yaml.safe_dump(configuration(directory, port)))
        server.cscli("machines", "add", "test", "--password", "not-a-secret", "-f", str(directory / "credentials.yaml"), "--force", "-u",
                     f"http://127.0.0.1:{port}")
        with (directory / "out").open("wb") as out:
            process = net.start("crowdsec", "-c", str(directory / "config.yaml"), "-no-cs", stdout=out, stderr=out)
        try:
            until(lambda: subprocess.run([*net.prefix, *server.command, "decisions", "list", "-o", "json"], capture_output=True,
                                         check=False).returncode == 0, what=f"crowdsec: {(directory / 'out').read_text()}", seconds=60)
            yield server
        finally:
            process.terminate()
            process.wait(timeout=30)
            shutil.rmtree(directory, ignore_errors=True)


def test_bans_and_unbans(crowdsec: CrowdSec) -> None:
    banned = crowdsec.module("fail2ban_ban", addresses=["192.0.2.7", "198.51.100.0/24", "2001:DB8::7"], jail="by hand", bantime="10m",
                             never_ban=["192.0.2.250"], verify=[])
    assert [action["detail"]["state"] for action in banned["actions"]] == ["banned"] * 3, banned.get("msg")
    covered = crowdsec.module("fail2ban_unban", addresses=["198.51.100.9"], observe="0.3s", verify=[])
    assert covered["actions"][0]["detail"]["state"] == "covered_by"
    plan = crowdsec.module("fail2ban_unban", addresses=["::ffff:192.0.2.7"], check=True, verify=[])
    assert plan["actions"][0]["outcome"] == "planned" and "192.0.2.7" in crowdsec.cscli("decisions", "list", "-o", "json")
    lifted = crowdsec.module("fail2ban_unban", addresses=["::ffff:192.0.2.7", "2001:db8:0::7"], observe="0.3s", verify=[])
    assert sorted(one["address"] for one in lifted["unbanned"]) == ["192.0.2.7", "2001:db8::7"] and not lifted.get("failed")
    assert lifted["backend"]["name"] == "crowdsec" and lifted["backend"]["version"]
    left = crowdsec.cscli("decisions", "list", "-o", "json")
    assert "198.51.100.0/24" in left and "192.0.2.7" not in left, "deleted by its id, without the network around it"
    again = crowdsec.module("fail2ban_unban", addresses=["192.0.2.7"], observe="0.3s", verify=[])
    assert not again["changed"] and again["actions"][0]["detail"]["state"] == "not_banned"
    everything = crowdsec.module("fail2ban_unban", confirm_all=again["count"], observe="0.3s", verify=[])
    assert everything["changed"] and not everything.get("failed")


def test_banned_again_by_another_scenario(crowdsec: CrowdSec) -> None:
    """The new decision has another id and another reason: it is the address that tells."""
    crowdsec.cscli("decisions", "add", "--ip", "192.0.2.30", "--reason", "by hand", "--duration", "10m")
    running = crowdsec.net.start_module("fail2ban_unban", backend="crowdsec", client_command=crowdsec.command, addresses=["192.0.2.30"],
                                        observe="20s", verify=[])
    until(lambda: "192.0.2.30" not in crowdsec.cscli("decisions", "list", "-o", "json"), what="the unban", seconds=60)
    crowdsec.cscli("decisions", "add", "--ip", "192.0.2.30", "--reason", "ssh-bf", "--duration", "10m")
    result = running.result(timeout=120)
    assert [action["detail"]["state"] for action in result["actions"]] == ["banned_again"] and result["failed"]
    assert [(one["jail"], one["address"]) for one in result["after"]] == [("ssh-bf", "192.0.2.30")] and result["unbanned"] == []
    lifted = crowdsec.module("fail2ban_unban", addresses=["192.0.2.30"], observe="0.3s", verify=[])
    assert [one["jail"] for one in lifted["unbanned"]] == ["ssh-bf"]


def test_hold_is_refused(crowdsec: CrowdSec) -> None:
    result = crowdsec.module("fail2ban_unban", addresses=["192.0.2.7"], hold="15m", verify=[])
    assert result["failed"] and result["error"] == "hold_refused"


def test_health_and_a_daemon_that_is_gone(crowdsec: CrowdSec) -> None:
    assert crowdsec.module("fail2ban_health", verify=[])["status"] == "ok"
    gone = crowdsec.net.module("fail2ban_health", backend="crowdsec", client_command=["cscli", "-c", "/nonexistent.yaml"], verify=[])
    assert gone["status"] == "critical" or gone["failed"]


def test_undo_lifts_the_decision_that_was_made_and_no_other(crowdsec: CrowdSec) -> None:
    banned = crowdsec.module("fail2ban_ban", addresses=["192.0.2.40"], jail="by hand", bantime="10m", never_ban=["192.0.2.250"], verify=[])
    (change,) = banned["actions"]
    assert change["temporary"]["undo"]["id"], banned
    crowdsec.cscli("decisions", "add", "--ip", "192.0.2.40", "--reason", "ssh-bf", "--duration", "10m")
    undone = crowdsec.module("fail2ban_unban", change=change, observe="0.3s", verify=[])
    assert [action["outcome"] for action in undone["actions"]] == ["done"], undone.get("msg")
    again = crowdsec.module("fail2ban_unban", change=change, observe="0.3s", verify=[])
    assert [action["outcome"] for action in again["actions"]] == ["moved_on"]
    assert "ssh-bf" in crowdsec.cscli("decisions", "list", "-o", "json")
