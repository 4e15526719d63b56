from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock

from bench.store import lock as run_lock
from bench.store.lock import Fence, hold, is_held
from bench.types import BenchError

HOLD = """
import sys, time
from pathlib import Path
from bench.store.lock import hold
with hold([Path(sys.argv[1])]):
    print("held", flush=True)
    time.sleep(60)
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    """Another process that holds the run."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def as_if_elsewhere(folder: Path, age: float) -> None:
    """An owner on another machine whose last touch is ``age`` seconds old."""
    path = folder / "owner.json"
    path.write_text(json.dumps({"token": "t", "machine": "m", "host": "node7", "pid": 11}))
    touched = time.time() - age
    os.utime(path, (touched, touched))


def test_a_held_run_is_refused_and_then_free(tmp_path: Path) -> None:
    with hold([tmp_path]) as token:
        Fence(tmp_path, token)()
        says = rf"{tmp_path}: another command is at work on this run \(process {os.getpid()} on "
        with pytest.raises(BenchError, match=says), hold([tmp_path]):
            pass
        Fence(tmp_path, token)()
    with hold([tmp_path]) as later:
        assert later != token
        with pytest.raises(BenchError, match="no longer holds"):
            Fence(tmp_path, token)()
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]


def test_who_asks_learns_at_once_whether_a_run_is_held_and_disturbs_nobody(tmp_path: Path) -> None:
    assert not is_held(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with holder(tmp_path) as process:
        assert is_held(tmp_path)
        assert is_held(tmp_path)
        process.kill()  # and it leaves its owner.json behind
    assert (tmp_path / "owner.json").is_file()
    assert not is_held(tmp_path)
    with hold([tmp_path]) as token:
        assert is_held(tmp_path)
        Fence(tmp_path, token)()


def test_of_a_run_elsewhere_its_silence_tells(tmp_path: Path) -> None:
    as_if_elsewhere(tmp_path, age=run_lock.STALE_SECONDS / 2)
    assert is_held(tmp_path)
    as_if_elsewhere(tmp_path, age=2 * run_lock.STALE_SECONDS)
    assert not is_held(tmp_path)


def test_who_begins_waits_for_somebody_who_only_asks(tmp_path: Path) -> None:
    (tmp_path / "owner.json").write_text("{}")
    asking = FileLock(tmp_path / ".lock", thread_local=False)
    asking.acquire()
    threading.Timer(0.08, asking.release).start()
    with hold([tmp_path]):
        assert is_held(tmp_path)


def test_of_several_runs_all_are_held_or_none(tmp_path: Path) -> None:
    for name in "abc":
        (tmp_path / name).mkdir()
    with hold([tmp_path / "b"]):
        with pytest.raises(BenchError, match="another command"), hold([*tmp_path.iterdir()]):
            pass
        with hold([tmp_path / "a", tmp_path / "c"]):
            pass


def test_the_lock_of_a_killed_process_is_no_obstacle(tmp_path: Path) -> None:
    process = holder(tmp_path)
    with pytest.raises(BenchError, match=rf"process {process.pid} on"), hold([tmp_path]):
        pass
    process.send_signal(signal.SIGKILL)
    process.communicate()
    left = json.loads((tmp_path / "owner.json").read_text())["token"]
    with hold([tmp_path]), pytest.raises(BenchError, match="no longer holds"):
        Fence(tmp_path, left)()


def test_another_machine_is_believed_while_it_shows_signs_of_life(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "CONFIRM_SECONDS", 0.01)
    as_if_elsewhere(tmp_path, age=20)
    says = r"process 11 on node7\); if it is gone, try again in (39|40) s"
    with pytest.raises(BenchError, match=says), hold([tmp_path]):
        pass
    as_if_elsewhere(tmp_path, age=70)
    with hold([tmp_path]) as token:
        Fence(tmp_path, token)()


def test_a_touch_in_the_future_locks_no_run_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_lock, "CONFIRM_SECONDS", 0.01)
    as_if_elsewhere(tmp_path, age=-400 * 24 * 3600)
    before = (tmp_path / "owner.json").read_bytes()
    for _ in range(2):  # an owner whose clock is ahead and who is alive stays the owner
        with pytest.raises(BenchError, match=r"try again in (59|60) s"), hold([tmp_path]):
            pass
        assert abs((tmp_path / "owner.json").stat().st_mtime - time.time()) < 5
        assert (tmp_path / "owner.json").read_bytes() == before
        as_if_elsewhere(tmp_path, age=-3600)
    monkeypatch.setattr(run_lock, "STALE_SECONDS", 0.05)
    with pytest.raises(BenchError, match=r"try again in"), hold([tmp_path]):
        pass
    time.sleep(0.1)
    with hold([tmp_path]) as token:
        Fence(tmp_path, token)()


def test_of_two_that_take_over_at_once_one_gives_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_if_elsewhere(tmp_path, age=70)
    monkeypatch.setattr("time.sleep", lambda _: as_if_elsewhere(tmp_path, age=0))
    with pytest.raises(BenchError, match="no longer holds"), hold([tmp_path]):
        pass


@pytest.mark.parametrize("error", [NotImplementedError(), OSError(errno.ENOLCK, "no locks")])
def test_without_locks_in_the_file_system_signs_of_life_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("filelock.FileLock.acquire", unknown)
    monkeypatch.setattr(run_lock, "CONFIRM_SECONDS", 0.01)
    with hold([tmp_path]):
        says = r"try again in (59|60) s"
        with pytest.raises(BenchError, match=says), hold([tmp_path]):
            pass
    with hold([tmp_path]):
        pass


def test_the_owner_shows_signs_of_life(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_lock, "BEAT_SECONDS", 0.02)
    with hold([tmp_path]):
        first = (tmp_path / "owner.json").stat().st_mtime_ns
        deadline = time.monotonic() + 5
        while (tmp_path / "owner.json").stat().st_mtime_ns == first:
            assert time.monotonic() < deadline
            time.sleep(0.01)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 1}', "\x00", "[" * 9999])
def test_a_broken_owner_file_is_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "owner.json").write_text(text)
    with hold([tmp_path]):
        pass


def test_a_folder_that_is_gone_is_said(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="gone"), hold([tmp_path / "gone"]):
        pass
