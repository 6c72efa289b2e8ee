# Copyright: (c) 2026, oncall.incident contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A copy elsewhere: a directory, a file URL, S3 with Object Lock, and when it cannot be made."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import bagit
import pytest

from oncall_incident.errors import Stop
from oncall_incident.evidence import bag, checks, closing, exporting, pushing, settings
from tests.support.wrapper import command

from .conftest import Case


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_to_a_directory(scheme: str, case: Case, tmp_path: Path) -> None:
    made = pushing.push(case.incident, f"{scheme}{tmp_path}/archive", configured=settings.load(case.home))
    copy = tmp_path / "archive" / case.incident.id / "0001"
    assert made.files == sum(1 for path in copy.rglob("*") if path.is_file()) and made.already == 0
    bagit.Bag(str(copy)).validate()
    assert checks.check(copy, allowed=case.allowed, authority=None).status == checks.PROVEN


def test_a_second_time_nothing_is_written(case: Case, tmp_path: Path) -> None:
    configured = settings.load(case.home)
    pushing.push(case.incident, str(tmp_path / "archive"), configured=configured)
    again = pushing.push(case.incident, str(tmp_path / "archive"), configured=configured)
    assert again.already == again.files


def test_every_seal_has_its_own_copy(case: Case, tmp_path: Path) -> None:
    configured = settings.load(case.home)
    pushing.push(case.incident, str(tmp_path / "archive"), configured=configured)
    case.incident.append("note", {"text": "more"})
    case.seal()
    pushing.push(case.incident, str(tmp_path / "archive"), configured=configured)
    copies = sorted(path.name for path in (tmp_path / "archive" / case.incident.id).iterdir())
    assert copies == ["0001", "0002"]
    for name in copies:
        copy = tmp_path / "archive" / case.incident.id / name
        assert checks.check(copy, allowed=case.allowed, authority=None).status == checks.PROVEN


def test_what_is_there_is_never_written_over(case: Case, tmp_path: Path) -> None:
    configured = settings.load(case.home)
    pushing.push(case.incident, str(tmp_path / "archive"), configured=configured)
    victim = tmp_path / "archive" / case.incident.id / "0001" / "data" / "incident.json"
    victim.write_text("{}")
    with pytest.raises(Stop, match="is there already and is something else"):
        pushing.push(case.incident, str(tmp_path / "archive"), configured=configured)
    assert victim.read_text() == "{}"


def test_a_failed_push_never_loses_the_local_one(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    (tmp_path / "archive").write_text("a file, where a directory is wanted")
    done = command(case.home, "close", case.incident.id, INCIDENT_PUSH_URL=str(tmp_path / "archive" / "x"))
    assert done.returncode == 1, done.stdout
    assert "The bundle here is whole; incident push tries again." in done.stdout
    assert command(case.home, "verify", case.incident.id).returncode == 0
    custody = (case.incident.folder / "custody" / "000002.jsonl").read_text()
    assert "push_failed" in custody
    (tmp_path / "archive").unlink()
    done = command(case.home, "push", case.incident.id, "--to", str(tmp_path / "archive"))
    assert done.returncode == 0 and "read back" in done.stdout


def test_what_is_not_sealed_is_not_pushed(tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    with pytest.raises(Stop, match="not sealed yet"):
        pushing.push(case.incident, str(tmp_path / "archive"), configured=settings.load(case.home))


def test_what_was_changed_since_it_was_sealed_is_not_handed_on(case: Case, tmp_path: Path) -> None:
    with (case.bundle / bag.TAG_MANIFEST).open("a") as tags:
        tags.write("0" * 64 + "  planted.txt\n")
    with pytest.raises(Stop, match=r"Seal 0001 of .* is not over the bag as it is"):
        pushing.push(case.incident, str(tmp_path / "archive"), configured=settings.load(case.home))
    with pytest.raises(Stop, match=r"Seal 0001 of .* is not over the bag as it is"):
        exporting.tar(case.incident, tmp_path / "bundle.tar")
    assert not list(tmp_path.glob("archive*")) and not (tmp_path / "bundle.tar").exists()


def test_retention_that_a_place_does_not_have_is_said_before_anything_is_written(case: Case, tmp_path: Path) -> None:
    with pytest.raises(Stop, match="has no retention"):
        pushing.push(case.incident, str(tmp_path / "archive"), configured=settings.load(case.home), retain=3600)
    assert not (tmp_path / "archive").exists()


def test_an_unknown_place(case: Case) -> None:
    done = command(case.home, "push", case.incident.id, "--to", "carrier-pigeon://roof")
    assert done.returncode == 2 and "Traceback" not in done.stderr and "carrier-pigeon" in done.stderr


# S3, against moto's server


class Bucket:
    """A bucket with Object Lock on a server of our own."""

    def __init__(self, endpoint: str) -> None:
        import botocore.session

        self.endpoint = endpoint
        self.client = botocore.session.get_session().create_client(
            "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test",
        )
        self.client.create_bucket(Bucket="evidence", ObjectLockEnabledForBucket=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Bucket]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield Bucket(f"http://{host}:{port}")
    finally:
        server.stop()


@pytest.fixture
def bucket(server: Bucket, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bucket:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": server.endpoint, "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }.items():
        monkeypatch.setenv(name, value)
    return server


def test_to_s3_with_object_lock(bucket: Bucket, tmp_path: Path) -> None:
    from botocore.exceptions import ClientError

    case = Case(tmp_path / "home")
    made = pushing.push(
        case.incident, "s3://evidence/incidents", configured=settings.load(case.home), retain=86400.0, lock_mode="COMPLIANCE",
    )
    key = f"incidents/{case.incident.id}/0001/data/incident.json"
    head = bucket.client.head_object(Bucket="evidence", Key=key)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    assert head["ObjectLockRetainUntilDate"] > datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=23)
    with pytest.raises(ClientError, match="Access Denied"):
        bucket.client.delete_object(Bucket="evidence", Key=key, VersionId=head["VersionId"])
    listed = bucket.client.list_objects_v2(Bucket="evidence", Prefix=f"incidents/{case.incident.id}/0001/")["Contents"]
    assert len(listed) == made.files
    # What came back from there is the bundle.
    copy = tmp_path / "copy"
    for item in listed:
        path = copy / item["Key"].removeprefix(f"incidents/{case.incident.id}/0001/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bucket.client.get_object(Bucket="evidence", Key=item["Key"])["Body"].read())
    assert checks.check(copy, allowed=case.allowed, authority=None).status == checks.PROVEN


def test_s3_is_written_once(bucket: Bucket, tmp_path: Path) -> None:
    case = Case(tmp_path / "home")
    configured = settings.load(case.home)
    pushing.push(case.incident, "s3://evidence/once", configured=configured)
    assert pushing.push(case.incident, "s3://evidence/once", configured=configured).already > 0
    bucket.client.put_object(Bucket="evidence", Key=f"once/{case.incident.id}/0001/{bag.BAG_INFO}", Body=b"other")
    with pytest.raises(Stop, match="is something else"):
        pushing.push(case.incident, "s3://evidence/once", configured=configured)


def test_closing_pushes_where_that_is_configured(bucket: Bucket, tmp_path: Path) -> None:
    case = Case(tmp_path / "home", seal=False)
    (case.home / "evidence.yml").write_text("push_url: s3://evidence/closed\nretain: 1h\nlock_mode: governance\n")
    closed = closing.close(case.incident, configured=settings.load(case.home), resolution="fixed", make_key=True)
    assert closed.pushed == f"s3://evidence/closed/{case.incident.id}/0001" and not closed.failed
    head = bucket.client.head_object(Bucket="evidence", Key=f"closed/{case.incident.id}/0001/bagit.txt")
    assert head["ObjectLockMode"] == "GOVERNANCE"


def test_a_bucket_that_is_not_there(bucket: Bucket, tmp_path: Path) -> None:
    case = Case(tmp_path / "home")
    with pytest.raises(Stop, match="could not be written") as stopped:
        pushing.push(case.incident, "s3://no-such-bucket-here/x", configured=settings.load(case.home))
    assert "The bag here is whole" in stopped.value.hint


def test_a_password_in_the_url_is_shown_to_nobody(case: Case, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "archive", ignore_errors=True)
    with pytest.raises(Stop) as stopped:
        pushing.push(case.incident, "sftp://ann:hunter2-hunter2@127.0.0.1:1/x", configured=settings.load(case.home))
    assert "hunter2" not in stopped.value.message + stopped.value.hint
    assert not [path for path in case.incident.folder.rglob("*") if path.is_file() and b"hunter2" in path.read_bytes()]


def test_the_push_is_data_too(case: Case, tmp_path: Path) -> None:
    done = command(case.home, "push", case.incident.id, "--to", str(tmp_path / "archive"), "--json")
    assert done.returncode == 0 and json.loads(done.stdout)["already"] == 0
