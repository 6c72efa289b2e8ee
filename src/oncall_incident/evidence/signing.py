# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SSH signatures (PROTOCOL.sshsig) by ssh-keygen: whose key, signing, checking. Any machine with OpenSSH can check one."""

from __future__ import annotations

import dataclasses
import os
import re
import socket
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from ansible_collections.oncall.incident.plugins.plugin_utils._record import layout
from ansible_collections.oncall.incident.plugins.plugin_utils._record.safe import safe_name
from ansible_collections.oncall.incident.plugins.plugin_utils._record.utf8 import clean

from ..errors import Stop
from ..private import write_private
from ..who import user

#: What our signatures are for; one made for something else is refused.
NAMESPACE = "evidence@oncall.incident"
KEY_VARIABLE, IDENTITY_VARIABLE, ALLOWED_VARIABLE = "INCIDENT_SIGN_KEY", "INCIDENT_SIGNER", "INCIDENT_ALLOWED_SIGNERS"
AGENT, NONE = "agent", "none"
#: Seconds for a signature: somebody may have to type a passphrase or touch a key.
_SIGN_SECONDS = 120.0
_CHECK_SECONDS = 60.0
#: Seconds for one that nobody may be asked about: a run waits for it.
_QUIET_SECONDS = 15.0
_KEY = re.compile(r" key (SHA256:\S+)")


@dataclasses.dataclass(frozen=True)
class Signer:
    """Who signs with what.

    Attributes:
        identity: the principal, as allowed_signers names it.
        key: a private key's file, or a public key whose private half an agent or a FIDO token has.
        source: file, agent or made (just now, because there was none).
        public: the public key's line, once it was read().
    """

    identity: str
    key: Path
    source: str
    public: str = ""

    @property
    def file_name(self) -> str:
        """The signature's file."""
        return f"{safe_name(self.identity)}.sig"


@dataclasses.dataclass(frozen=True)
class Checked:
    """What a signature proves.

    Attributes:
        good: it is over these bytes, in our namespace.
        principal: who, by the verifier's allowed_signers; "" when no such list was given or it does not know the key.
        key: the key's fingerprint.
        why: ssh-keygen's words when it is not good.
    """

    good: bool
    principal: str
    key: str
    why: str


def choose(given: Sequence[str], *, home: Path, environ: Mapping[str, str], make: bool) -> list[Signer]:
    """The signers.

    Args:
        given: key files, `agent`, or `none`; nothing stands for INCIDENT_SIGN_KEY, else the store's key, else the agent's first.
        make: make the store's key when there is no key at all.

    Raises:
        Stop: a key that was named is not there, or INCIDENT_SIGNER cannot be a name.
    """
    identity = _own_identity(environ) or f"{safe_name(user().split()[0])}@{safe_name(socket.gethostname())}"
    wanted = list(given) or [part for part in environ.get(KEY_VARIABLE, "").split(os.pathsep) if part]
    if wanted:
        if NONE in wanted:
            return []
        return [_named(name, identity if number == 0 else "", home=home, environ=environ) for number, name in enumerate(wanted)]
    own = home / "signing" / "id_ed25519"
    if own.is_file():
        return [Signer(identity, own, "file")]
    in_agent = _agent_keys(environ)
    if in_agent:
        return [Signer(identity, _public_file(home, in_agent[0]), AGENT)]
    return [_make(own, identity)] if make else []


def _own_identity(environ: Mapping[str, str]) -> str:
    """What the signer calls himself; "" when he does not say.

    Raises:
        Stop: it could not be a file's name, or would mean more than one person in a list of allowed signers.
    """
    given = environ.get(IDENTITY_VARIABLE) or ""
    if given and safe_name(given) != given:
        raise Stop(
            f"{IDENTITY_VARIABLE} {given!r} cannot be a signer's name.",
            hint="Use letters, digits and . _ + @ -, beginning with a letter or digit, as in ann@example.org.",
        )
    return given


def read(signers: Sequence[Signer]) -> list[Signer]:
    """The signers with their public keys: all that can fail of them before anything is written.

    Raises:
        Stop: a public key cannot be read.
    """
    return [dataclasses.replace(signer, public=_public(signer)) for signer in signers]


def sign(data: Path, signer: Signer, *, to: Path, ask: bool = True) -> None:
    """Sign a file.

    Args:
        ask: ssh-keygen may ask for a passphrase or a touch; without, it fails instead.

    Raises:
        Stop: ssh-keygen did not sign; its words say why.
    """
    with data.open("rb") as stream:
        try:
            done = subprocess.run(
                ["ssh-keygen", "-Y", "sign", "-f", signer.key, "-n", NAMESPACE], stdin=stream, capture_output=True,
                timeout=_SIGN_SECONDS if ask else _QUIET_SECONDS, check=False, start_new_session=not ask,
            )
        except FileNotFoundError as exc:
            raise Stop("ssh-keygen was not found.", hint="Install OpenSSH's client, or use --sign-key none.") from exc
        except subprocess.TimeoutExpired as exc:
            raise Stop(f"Signing with {signer.key} took too long.", hint="Was a passphrase or a touch awaited? Try again.") from exc
    if done.returncode:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        raise Stop(
            f"ssh-keygen could not sign with {signer.key}: {said[-1] if said else done.returncode}.",
            hint="Check the key and the agent (ssh-add -L), or seal with --sign-key none: by hashes alone.",
        )
    to.write_bytes(done.stdout)


def allowed_line(signer: Signer) -> str:
    """The signer's line for an allowed_signers file.

    Raises:
        Stop: the public key cannot be read.
    """
    return f'{signer.identity} namespaces="{NAMESPACE}" {clean(_public(signer))}'


def remember(home: Path, signer: Signer) -> Path:
    """Have this store know its own signer's key; the list's path."""
    path, line = home / "allowed_signers", allowed_line(signer).encode()
    known = path.read_bytes() if path.is_file() else b""
    if line not in known.splitlines():
        # Added to what is there: a person's own lines stay byte for byte.
        between = b"" if not known or known.endswith(b"\n") else b"\n"
        with os.fdopen(os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o600), "ab") as stream:
            stream.write(between + line + b"\n")
    return path


def allowed_signers(given: str | None, *, home: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The verifier's list of whom he trusts: named, INCIDENT_ALLOWED_SIGNERS, or the store's own.

    Raises:
        Stop: the one that was named is not there.
    """
    named = given or environ.get(ALLOWED_VARIABLE)
    if named:
        path = Path(named).expanduser()
        if not path.is_file():
            raise Stop(f"--allowed-signers {named}: there is no such file.", hint="See ALLOWED SIGNERS in ssh-keygen(1) for its form.")
        return path
    own = home / "allowed_signers" if home else None
    return own if own is not None and own.is_file() else None


def check(data: Path, signature: Path, *, allowed: Path | None, at: str = "") -> Checked:
    """Check a signature over a file.

    Args:
        allowed: the verifier's own list; without it only the bytes are checked, not who signed.
        at: the proven time of the signature as YYYYMMDDHHMMSSZ, for keys that are no longer valid.
    """
    intact = _keygen(["check-novalidate", "-n", NAMESPACE, "-s", signature], data)
    found = _KEY.search(intact.stdout + intact.stderr)
    key = found.group(1) if found else ""
    if intact.returncode:
        return Checked(False, "", key, _words(intact))
    if allowed is None:
        return Checked(True, "", key, "no list of allowed signers was given")
    when = ["-O", f"verify-time={at}"] if at else []
    principals = _keygen(["find-principals", "-s", signature, "-f", allowed, *when], None)
    for principal in principals.stdout.split("\n") if principals.returncode == 0 else ():
        name = principal.strip()
        if name and _keygen(["verify", "-f", allowed, "-I", name, "-n", NAMESPACE, "-s", signature, *when], data).returncode == 0:
            return Checked(True, clean(name), key, "")
    return Checked(True, "", key, f"the key {key} is not among the allowed signers of {allowed}")


def _keygen(arguments: Sequence[str | Path], data: Path | None) -> subprocess.CompletedProcess[str]:
    with open(data or os.devnull, "rb") as stream:
        try:
            return subprocess.run(
                ["ssh-keygen", "-Y", *arguments], stdin=stream, capture_output=True, encoding="utf-8", errors="surrogateescape",
                timeout=_CHECK_SECONDS, check=False,
            )
        except FileNotFoundError as exc:
            raise Stop("ssh-keygen was not found.", hint="Install OpenSSH's client: signatures cannot be checked without it.") from exc


def _words(done: subprocess.CompletedProcess[str]) -> str:
    said = [line.strip() for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    return clean(said[0]) if said else f"ssh-keygen ended with {done.returncode}"


def _named(name: str, identity: str, *, home: Path, environ: Mapping[str, str]) -> Signer:
    if name == AGENT:
        keys = _agent_keys(environ)
        if not keys:
            raise Stop("--sign-key agent: no agent answers, or it has no key.", hint="ssh-add -L lists an agent's keys.")
        return Signer(identity or _comment(keys[0]), _public_file(home, keys[0]), AGENT)
    path = Path(name).expanduser()
    if not path.is_file():
        raise Stop(f"--sign-key {name}: there is no such file.", hint="Give a private key, a .pub that the agent knows, or agent.")
    signer = Signer(identity, path, AGENT if path.suffix == ".pub" else "file")
    return signer if identity else dataclasses.replace(signer, identity=_comment(_public(signer)))


def _comment(public: str) -> str:
    """Who a further key belongs to, as its comment says; the name must be usable as a principal and a file."""
    parts = public.split(None, 2)
    return safe_name(parts[2].strip()) if len(parts) > 2 and parts[2].strip() else "second-signer"


def _public(signer: Signer) -> str:
    """The public key's line. Its comment is somebody's words in any encoding: what is not UTF-8 is there as lone surrogates."""
    if signer.public:
        return signer.public
    beside = signer.key if signer.key.suffix == ".pub" else signer.key.with_name(signer.key.name + ".pub")
    try:
        found = beside.read_bytes() if beside.is_file() else _derived(signer.key)
    except OSError as exc:
        raise Stop(f"The public key {beside} cannot be read: {exc.strerror}.", hint="Give a key that you can read.") from exc
    lines = _text(found).split("\n")
    return next((line.strip() for line in lines if line.strip()), "")


def _derived(key: Path) -> bytes:
    """The public half of a private key."""
    try:
        done = subprocess.run(["ssh-keygen", "-y", "-f", key], capture_output=True, timeout=_SIGN_SECONDS, check=False)
    except (FileNotFoundError, subprocess.TimeoutExpired) as exc:
        raise Stop(f"The public key of {key} cannot be read.", hint="ssh-keygen did not answer: is OpenSSH's client there?") from exc
    if done.returncode:
        raise Stop(f"The public key of {key} cannot be read.", hint=f"Put it beside it: ssh-keygen -y -f {key} > {key}.pub")
    return done.stdout


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _agent_keys(environ: Mapping[str, str]) -> list[str]:
    if not environ.get("SSH_AUTH_SOCK"):
        return []
    try:
        done = subprocess.run(["ssh-add", "-L"], capture_output=True, timeout=_CHECK_SECONDS, check=False, env=dict(environ))
    except (OSError, subprocess.TimeoutExpired):
        return []
    # A certificate is not a key of its own here: its key comes with it.
    keys = [line for line in _text(done.stdout).split("\n") if line.startswith(("ssh-", "sk-", "ecdsa-"))]
    return [line for line in keys if "-cert-" not in line.split(" ")[0]] if done.returncode == 0 else []


def _public_file(home: Path, line: str) -> Path:
    """ssh-keygen wants a file to know which of the agent's keys is meant."""
    directory = home / "signing"
    layout.make_private(directory)
    return write_private(directory / "agent.pub", clean(line) + "\n")


def _make(path: Path, identity: str) -> Signer:
    layout.make_private(path.parent)
    with tempfile.TemporaryDirectory(dir=path.parent) as work:
        try:
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", identity, "-f", f"{work}/key"], capture_output=True,
                timeout=_SIGN_SECONDS, check=True,
            )
        except (OSError, subprocess.SubprocessError) as exc:
            raise Stop("No key could be made: ssh-keygen failed.", hint="Give one with --sign-key, or seal with --sign-key none.") from exc
        os.replace(f"{work}/key.pub", path.with_name(path.name + ".pub"))
        os.replace(f"{work}/key", path)
    return Signer(identity, path, "made")
