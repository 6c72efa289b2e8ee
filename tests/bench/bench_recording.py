# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What recording costs: 20 tasks on 1 and on 50 hosts.

On one host the tasks are 5 commands, 5 stats, 5 shell commands with 600 bytes of output, and 5 debugs. On fifty they are 20
debugs, which cost Ansible next to nothing, so that the recorder's share is as large as it can be (`--modules` runs the first
mixture there too: minutes for each run). Cases: ansible-playbook alone with its output in a file; `ansible_runner.run` as it
comes; ansible-playbook with the `ara` callback (sqlite, migrated beforehand); ansible-playbook with our callback; and our
callback under our wrapper's way of launching. bytes and files are what each leaves behind.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import typing as t
from pathlib import Path

from tests.bench import harness
from tests.support.site import ROOT, shell

TOOLS = ROOT / ".tools" / "bench"
ARA = "ara[server]==1.8.0"
LONGEST_RUN = 1800

MIXTURE = "".join(
    f"""
    - ansible.builtin.command: echo {n}
    - ansible.builtin.stat: {{path: /etc/hosts}}
    - ansible.builtin.shell: head -c 600 /dev/zero | tr '\\0' x
    - ansible.builtin.debug: {{msg: "round {n} on {{{{ inventory_hostname }}}}"}}
"""
    for n in range(5)
)
DEBUGS = "".join(f'    - ansible.builtin.debug: {{msg: "round {n} on {{{{ inventory_hostname }}}}"}}\n' for n in range(20))

RUNNER = """
import json, sys
import ansible_runner
asked = json.loads(sys.argv[1])
done = ansible_runner.run(
    private_data_dir=asked["directory"], project_dir=asked["project"], playbook="play.yml", inventory=asked["inventory"],
    envvars=asked["environ"], cmdline="--forks 10", quiet=True,
)
sys.exit(done.rc)
"""
OURS_LAUNCHED = """
import json, sys
from pathlib import Path
sys.path.insert(0, json.loads(sys.argv[1])["src"])
from oncall_incident import launch
from oncall_incident.stopping import Stopper
asked = json.loads(sys.argv[1])
ended = launch.run(
    launch.Launch(
        program=asked["program"], playbook=asked["project"] + "/play.yml", arguments=["-i", asked["inventory"], "--forks", "10"],
        environ=asked["environ"], forget=[], secrets={}, directory=Path(asked["directory"]), cwd=Path(asked["project"]),
    ),
    stopper=Stopper(), tick=lambda: None, line=lambda text: None,
)
sys.exit(ended.status)
"""


class Bench:
    """One size: so many hosts, these tasks."""

    def __init__(self, scratch: Path, *, hosts: int, tasks: str, ara: Path | None) -> None:
        self._scratch, self._ara, self._number = scratch, ara, 0
        self._project = scratch / f"project-{hosts}-{len(tasks)}"
        self._project.mkdir()
        (self._project / "play.yml").write_text(f"- hosts: all\n  gather_facts: false\n  tasks:\n{tasks}", encoding="utf-8")
        self._inventory = self._project / "inventory"
        names = "".join(f"host{n}\n" for n in range(hosts))
        variables = f"[all:vars]\nansible_connection=local\nansible_python_interpreter={sys.executable}\n"
        self._inventory.write_text(f"{names}\n{variables}", encoding="utf-8")

    def cases(self) -> dict[str, t.Callable[[], harness.Sample]]:
        """Every case by its name."""
        cases: dict[str, t.Callable[[], harness.Sample]] = {
            "ansible-playbook": self._bare, "ansible_runner.run": self._runner, "ara callback": self._with_ara,
            "evidence callback": self._evidence, "evidence, launched as by incident": self._launched,
        }
        if self._ara is None:
            del cases["ara callback"]
        return cases

    def _bare(self) -> harness.Sample:
        return self._measure(self._playbook(), self._environ({}))

    def _runner(self) -> harness.Sample:
        place = self._place()
        return self._measure([sys.executable, "-c", RUNNER, self._asked(place, self._environ({}))], self._environ({}), place)

    def _with_ara(self) -> harness.Sample:
        place = self._place()
        environ = self._environ({
            "PYTHONPATH": str(self._ara), "ANSIBLE_CALLBACK_PLUGINS": str(t.cast(Path, self._ara) / "ara" / "plugins" / "callback"),
            "ARA_BASE_DIR": str(place), "ANSIBLE_CALLBACKS_ENABLED": "ara_default",
        })
        migrate = [sys.executable, "-c", "import sys; sys.argv = ['ara-manage', 'migrate']; from ara.server.__main__ import main; main()"]
        subprocess.run(migrate, env=environ, capture_output=True, timeout=300, check=True)
        return self._measure(self._playbook(), environ, place)

    def _evidence(self) -> harness.Sample:
        place = self._place()
        return self._measure(self._playbook(), self._environ(self._recorder(place)), place / "home" / "runs")

    def _launched(self) -> harness.Sample:
        place = self._place()
        asked = self._asked(place / "private", self._environ(self._recorder(place)))
        return self._measure([sys.executable, "-c", OURS_LAUNCHED, asked], self._environ({}), place / "home" / "runs")

    def _measure(self, command: t.Sequence[str], environ: t.Mapping[str, str], leaves: Path | None = None) -> harness.Sample:
        output = self._place() / "output"

        def work() -> dict[str, float]:
            with output.open("wb") as stream:
                subprocess.run(command, cwd=self._project, env=environ, stdout=stream, stderr=stream, timeout=LONGEST_RUN, check=True)
            files = [path for path in (leaves.rglob("*") if leaves else [output]) if path.is_file()]
            return {"bytes": float(sum(path.stat().st_size for path in files)), "files": float(len(files))}

        try:
            return harness.measured(work)
        except subprocess.CalledProcessError as exc:
            raise RuntimeError(f"{command[0]} ended with {exc.returncode}: {output.read_text(errors='replace')[-2000:]}") from exc

    def _playbook(self) -> list[str]:
        return [str(Path(sys.executable).with_name("ansible-playbook")), "-i", str(self._inventory), "--forks", "10", "play.yml"]

    def _asked(self, directory: Path, environ: t.Mapping[str, str]) -> str:
        directory.mkdir(parents=True, exist_ok=True)
        return json.dumps({
            "directory": str(directory), "project": str(self._project), "inventory": str(self._inventory), "environ": dict(environ),
            "src": str(ROOT / "src"), "program": self._playbook()[0],
        })

    def _recorder(self, place: Path) -> dict[str, str]:
        return {"ANSIBLE_CALLBACKS_ENABLED": "oncall.incident.evidence", "INCIDENT_HOME": str(place / "home")}

    def _environ(self, more: t.Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in shell().items() if not name.startswith(("ARA_", "PYTHONPATH"))}
        return {
            **kept, "PATH": f"{Path(sys.executable).parent}:{kept.get('PATH', '')}", "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".collections"),
            "ANSIBLE_HOME": str(self._scratch / "ansible"), **more,
        }

    def _place(self) -> Path:
        self._number += 1
        place = self._project / f"run-{self._number}"
        place.mkdir()
        return place


def ara_packages() -> Path | None:
    """A directory with ara and what it needs, beside everything of ours; None when the package index has none."""
    tree = TOOLS / "ara"
    if not (tree / "ara").is_dir():
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(tree), ARA]
        if subprocess.run(command, capture_output=True, timeout=900, check=False).returncode:
            return None
    return tree


def main() -> None:
    """Measure and publish."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--modules", action="store_true", help="run the mixture with modules on fifty hosts as well")
    asked = parser.parse_args()
    ara = ara_packages()
    sizes = [("1 host, 20 tasks", 1, MIXTURE), ("50 hosts, 20 debug tasks", 50, DEBUGS)]
    if asked.modules:
        sizes.append(("50 hosts, 20 tasks", 50, MIXTURE))
    text = str(__doc__)
    with tempfile.TemporaryDirectory(dir=TOOLS) as scratch:
        for title, hosts, tasks in sizes:
            samples = harness.alternate(Bench(Path(scratch), hosts=hosts, tasks=tasks, ara=ara).cases(), rounds=asked.rounds)
            text += f"\n### {title}\n\n{harness.table(samples, against='ansible-playbook')}\n"
    harness.publish("What recording costs", text + ("" if ara else "\nara could not be installed from the package index.\n"))


if __name__ == "__main__":
    sys.exit(main())
