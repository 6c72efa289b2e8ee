# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The blocks of README and of docs/getting-started.md do what they say, as printed and in their order, in an empty environment.

SQL comes first: README's inventory names the roles that it makes. Every block is installed, executed or written where its first line
says; a line of shell that is only checked has its reason here.
"""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests.support.readme_hosts import REDIS_PASSWORD, Hosts, hosts
from tools import bootstrap

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", flags=re.MULTILINE | re.DOTALL)
STEPS = ROOT / "docs" / "getting-started.md"
BLOCKS = sorted(
    (block for page in (ROOT / "README.md", STEPS) for block in FENCE.findall(page.read_text())), key=lambda block: block[0] != "sql",
)
#: Beside README's inventory: nobody waits five minutes for a session to be old enough, and one session is all there are.
QUICK = """
db:
  vars:
    postgres_min_idle_in_transaction_age: 1s
    postgres_max_percent: 100
    postgres_thresholds: {idle_in_transaction_warning: 500ms, idle_in_transaction_critical: 1s}
    postgres_verify_hold: 1s
"""


@dataclass(frozen=True)
class Expected:
    """How a line of shell ends.

    Attributes:
        status: its exit status.
        says: what must be in its output.
        answer: what is typed.
        host: settings of Ansible, for a host that is reached over SSH: here it is this machine, in the namespaces.
    """

    status: int = 0
    says: tuple[str, ...] = ()
    answer: str = ""
    host: bool = False


#: The database is blocked by an application; cache and certificate are healthy, so there is nothing to do.
RUNS = {
    "make build && pip install dist/oncall_incident-*.whl": Expected(says=("Successfully installed oncall-incident-",)),
    "incident run db-recovery -i inventories/prod --check": Expected(
        0, ("PostgreSQL at oncall@db1.example.org:5432/shop (from localhost)", ", probe\n", "app@shop, idle", "max_victims 5"),
    ),
    "incident run redis-recovery -i inventories/prod": Expected(
        5, ("Redis at cache1.example.org:6379 (from localhost)", "1 host measured healthy"),
    ),
    "incident run certificate-renewal -i inventories/prod --check": Expected(
        5, ("/etc/letsencrypt/live/www.example.org/fullchain.pem (from www.example.org as root)", "1 host measured healthy"), host=True,
    ),
    "incident run db-recovery -i inventories/prod": Expected(
        0, ("Approved by", "terminate pid", "RECOVERED  1 action done, 1 host measured healthy."), answer="yes\n",
    ),
    "incident verify latest": Expected(says=("-db-recovery-", "every line is there, unchanged")),
    "incident report latest --output -": Expected(says=("# Incident report: db-recovery", "**RECOVERED.**")),
}
#: Lines that are only checked: make knows the target and would run what it promises.
CHECKED = {
    "make demo": ("test_demo.py runs it, and .ci/demo-as-nobody in a clone as a user who owns nothing", "-m demo"),
    "make test": ("it is the command that runs this test", "-m tools.suite test"),
}


def commands(block: str) -> list[str]:
    """The lines of a block of shell, without their comments."""
    stripped = (re.sub(r"\s+# .*", "", line).strip() for line in block.splitlines())
    return [line for line in stripped if line]


def test_every_block_has_its_way() -> None:
    assert {language for language, _text in BLOCKS} == {"sh", "sql", "yaml"}, "teach this test how another language is tried"
    listed = [line for language, text in BLOCKS if language == "sh" for line in commands(text)]
    assert sorted(listed) == sorted([*RUNS, *CHECKED]), "RUNS and CHECKED name each line once"
    assert [line for line in listed if line in RUNS] == list(RUNS), "in the order of the pages, since one needs what another did"


@pytest.mark.parametrize("line", CHECKED)
def test_what_is_only_checked_is_there(line: str) -> None:
    _reason, promised = CHECKED[line]
    done = subprocess.run(["sh", "-c", f"{line} -n"], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert promised in done.stdout


@dataclass(frozen=True)
class Reader:
    """Somebody who has nothing but a checkout, and an empty virtual environment that is active.

    Attributes:
        checkout: where they type; a copy of what git knows.
        environment: theirs, none of ours in it.
    """

    checkout: Path
    environment: dict[str, str]

    def types(self, line: str, expected: Expected, there: Hosts) -> None:
        """One line of shell."""
        own = {
            "ANSIBLE_TRANSPORT": "local", "ANSIBLE_BECOME_METHOD": "su", "ANSIBLE_PYTHON_INTERPRETER": sys.executable,
        } if expected.host else {}
        status, said = there.run(line, cwd=self.checkout, env={**self.environment, **own}, answer=expected.answer)
        assert status == expected.status, f"$ {line}\n{said}"
        assert [words for words in expected.says if words not in said] == [], f"$ {line}\n{said}"

    def writes(self, block: str) -> None:
        """A block of YAML, into the file that its first line names."""
        named = re.match(r"# (\S+\.yml)\n", block)
        assert named, f"the first line names the file:\n{block}"
        path = self.checkout / named.group(1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(block)


def lend(directory: Path, *, programs: tuple[str, ...]) -> Path:
    """A virtual environment that finds the packages of ours, as after an installation from the network, and not our checkout."""
    venv.EnvBuilder(with_pip=False, symlinks=True).create(directory)
    python = directory / "bin" / "python"
    purelib = "import sysconfig; print(sysconfig.get_path('purelib'))"
    places = [subprocess.run([one, "-c", purelib], capture_output=True, text=True, check=True).stdout.strip() for one in
              (python, sys.executable)]
    # A plain directory on a .pth line: the .pth file in it, which leads to our checkout, is not read.
    (Path(places[0]) / "lent.pth").write_text(f"{places[1]}\n")
    for program in programs:
        script = directory / "bin" / program
        script.write_text(f"#!/bin/sh\nexec '{python}' '{BIN / program}' \"$@\"\n")
        script.chmod(0o755)
    return directory / "bin"


@pytest.fixture
def reader(tmp_path: Path) -> Reader:
    """Set up as README asks for; packages come from our environment instead of the network."""
    checkout = tmp_path / "checkout"
    listed = subprocess.run(["git", "ls-files", "-co", "--exclude-standard"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in (name for name in listed.splitlines() if (ROOT / name).is_file()):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, checkout / name)
    # Set-up finds its work done: test_setup.py is about that.
    lend(checkout / ".venv", programs=("ansible-galaxy",))
    names = ["run", "lint", "test"]
    stamp = {"names": names, **bootstrap.made_from(checkout / ".venv" / "bin" / "python", names)}
    (checkout / ".venv" / bootstrap.STAMP).write_text(json.dumps(stamp))
    active = lend(tmp_path / "venv", programs=("ansible-playbook", "ansible-inventory", "ansible-config", "ansible"))
    pip = active / "pip"
    pip.write_text(f"#!/bin/sh\nexec '{active}/python' '{bootstrap.pip_wheel()}/pip' \"$@\"\n")
    pip.chmod(0o755)
    home = tmp_path / "home"
    home.mkdir()
    quick = checkout / "inventories" / "prod" / "quick.yml"
    quick.parent.mkdir()
    quick.write_text(QUICK)
    environment = {
        "HOME": str(home), "PATH": f"{active}:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8", "COLUMNS": "200", "PYTHON": sys.executable,
        "PIP_NO_INDEX": "1", "GIT_CEILING_DIRECTORIES": str(tmp_path), "ONCALL_REDIS_PASSWORD": REDIS_PASSWORD,
    }
    return Reader(checkout=checkout, environment=environment)


def forgotten(there: Hosts) -> psycopg.Connection[tuple[object, ...]]:
    """An application's session that forgot to commit, and holds its locks."""
    with psycopg.connect(there.superuser, autocommit=True) as superuser:
        superuser.execute("CREATE ROLE app LOGIN")
        superuser.execute("GRANT SELECT, UPDATE ON orders TO app")
    session = psycopg.connect(there.superuser, user="app")
    session.execute("UPDATE orders SET id = id + 1")
    return session


# Six starts of Ansible and a build: under a minute on a quiet machine.
@pytest.mark.timeout(600)
@pytest.mark.slow
def test_the_blocks_do_what_they_say(reader: Reader, tmp_path: Path) -> None:
    with hosts(tmp_path) as there, contextlib.closing(forgotten(there)) as session:
        for language, text in BLOCKS:
            if language == "yaml":
                reader.writes(text)
            elif language == "sql":
                with psycopg.connect(there.superuser, autocommit=True) as superuser:
                    superuser.execute(text.encode())
                passwords = dict(re.findall(r"CREATE ROLE (\w+) LOGIN PASSWORD '([^']+)'", text))
                reader.environment.update(ONCALL_DB_PASSWORD=passwords["oncall"], ONCALL_PROBE_PASSWORD=passwords["oncall_probe"])
            else:
                for line in commands(text):
                    if line in RUNS:
                        reader.types(line, RUNS[line], there)
        with pytest.raises(psycopg.OperationalError):
            session.execute("SELECT 1")
    records = re.search(r"stored in\s`~/([^`]+)`", STEPS.read_text())
    assert records
    assert list((Path(reader.environment["HOME"]) / records.group(1) / "runs").iterdir())
