"""The file of ratings: one answer a rater and job, whatever is sent twice, at once, cut short."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading

import pandas as pd
import pytest

from bench.store.ratings import Ratings, Source, Study, StudyTarget
from bench.types import BenchError

NASTY = "Robert'); DROP TABLE answer; --<script>\x1b[31m"


def study(targets=3):
    """Two sources and the ground truth of each target; names that steer where they are run."""
    sources = [Source("d", "box", name, NASTY, None if name == "ground_truth" else f"r-{name}")
               for name in ("zeta", NASTY, "ground_truth")]  # fmt: skip
    made = [
        StudyTarget("d", "box", f"i{n}", NASTY, None if n else "film", 4, 6,
                    {"box": [0, 0, 1, 1], "point_coords": [], "point_labels": [], "cues": None},
                    "runs/r-zeta")
        for n in range(targets)
    ]  # fmt: skip
    jobs = [(t, s, f"rle{t}{s}") for t in range(targets) for s in range(len(sources))]
    return Study({"seed": 3, "each": None, "largest": 2000}, sources, made, jobs)


@pytest.fixture
def ratings(tmp_path):
    return Ratings.create(tmp_path / "deep" / "rating.sqlite", study())


def test_what_is_written_is_what_is_read(ratings):
    again = Ratings.open(ratings.path)
    assert again.choices() == {"seed": 3, "each": None, "largest": 2000}
    assert [job.id for job in again.jobs()] == list(range(9))
    assert len({job.code for job in again.jobs()}) == 9
    target, rle = again.target_of(4)
    assert (target, rle) == (study().targets[1], "rle11")
    assert again.masks_beside(4) == ["rle10", "rle11", "rle12"]
    assert again.planned() == {("d", "box", name): 3 for name in ("zeta", NASTY, "ground_truth")}
    assert ratings.path.stat().st_mode & 0o077 == 0, "tokens are nobody else's business"


def test_sent_twice_is_one_rating_and_another_value_replaces_it(ratings):
    ann, bo = ratings.add_rater("ann"), ratings.add_rater(NASTY)
    ratings.rate(2, ann.id, 7, 4.5)
    ratings.rate(2, ann.id, 7, 99.0)
    ratings.rate(2, bo.id, 3)
    found = ratings.frame()
    assert found["rater"].tolist() == ["ann", NASTY]
    assert found["value"].tolist() == [7, 3]
    assert found["seconds"].tolist()[0] == 4.5
    assert pd.isna(found["seconds"][1])
    ratings.rate(2, ann.id, 8, 2.0)
    ratings.skip(2, ann.id)
    first = ratings.frame().iloc[0]
    assert (first["value"], first["seconds"], first["changes"]) == (8, 2.0, 1)
    assert (first["model"], first["truth"], first["cluster"]) == ("ground_truth", True, "film")
    assert ratings.counts() == {2: 2}


def test_a_skipped_job_is_no_rating_until_it_is_rated(ratings):
    ann = ratings.add_rater("ann")
    ratings.skip(0, ann.id)
    assert ratings.frame().empty
    assert [(job, answer.value) for job, answer in ratings.answers(ann.id).items()] == [(0, None)]
    ratings.rate(0, ann.id, 10)
    assert ratings.frame()[["value", "changes"]].to_numpy().tolist() == [[10, 0]]


@pytest.mark.parametrize("value", [0, 11, -3])
def test_a_value_off_the_scale_is_refused(ratings, value):
    ann = ratings.add_rater("ann")
    with pytest.raises(BenchError, match=f"a rating is 1 to 10, found {value}"):
        ratings.rate(0, ann.id, value)
    with pytest.raises(sqlite3.IntegrityError):
        ratings.rate(999, ann.id, 5)
    assert ratings.frame().empty


def test_many_at_once_lose_nothing(ratings):
    raters = [ratings.add_rater(f"r{n}") for n in range(4)]

    def rate(rater):
        own = Ratings.open(ratings.path)
        for job in range(9):
            own.rate(job, rater.id, 1 + (job + rater.id) % 10)

    threads = [threading.Thread(target=rate, args=(r,)) for r in raters for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = ratings.frame()
    assert len(found) == 4 * 9
    assert (found["changes"] == 0).all()


def test_a_raters_name_and_token_are_one(ratings):
    ann = ratings.add_rater("ann")
    assert ratings.add_rater("ann") == ann
    mine = ratings.add_rater("ann", "a-token-of-mine")
    assert mine.id == ann.id
    assert ratings.rater_of("a-token-of-mine") == mine
    for wrong in (ann.token, "", "a-token-of-min", "a-token-of-mineé", NASTY):
        assert ratings.rater_of(wrong) is None
    with pytest.raises(BenchError, match="that token is another rater's"):
        ratings.add_rater("bo", "a-token-of-mine")
    assert [each.name for each in ratings.raters()] == ["ann"]


def test_what_is_no_study_is_one_line(tmp_path, ratings):
    with pytest.raises(BenchError, match="no ratings; begin with: sam-bench rate RUN"):
        Ratings.open(tmp_path / "none.sqlite")
    (tmp_path / "text.sqlite").write_text("these are no tables, but a text that goes on and on")
    with pytest.raises(BenchError, match=r"can't be read or written .file is not a database"):
        Ratings.open(tmp_path / "text.sqlite")
    with pytest.raises(BenchError, match="a study is there already; choose another --name"):
        Ratings.create(ratings.path, study())
    with sqlite3.connect(ratings.path) as file:
        file.execute("UPDATE study SET version = 99")
    with pytest.raises(BenchError, match="ratings of version 99, this release reads 1"):
        Ratings.open(ratings.path)


KILLED_WRITING_A_STUDY = """
import os, signal, sys
from pathlib import Path
from bench.store import ratings
sys.path.insert(0, sys.argv[2])
from test_ratings_file import study
write = ratings._write_study
def half(to, made):
    write(to, made)
    os.kill(os.getpid(), signal.SIGKILL)
ratings._write_study = half
ratings.Ratings.create(Path(sys.argv[1]), study())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_a_study_whose_writing_was_killed_is_none_and_is_written_anew(tmp_path):
    path = tmp_path / "rating.sqlite"
    words = [sys.executable, "-c", KILLED_WRITING_A_STUDY, str(path), os.path.dirname(__file__)]
    assert subprocess.run(words, check=False).returncode == -signal.SIGKILL
    assert not Ratings(path).exists()
    assert len(Ratings.create(path, study()).jobs()) == 9


RATES_FOR_EVER = """
import itertools, sys
from pathlib import Path
from bench.store.ratings import Ratings
ratings = Ratings.open(Path(sys.argv[1]))
rater = ratings.add_rater("ann")
for n in itertools.count():
    ratings.rate(n % 300, rater.id, 1 + (n // 300 + n) % 10)
    print(n, flush=True)
"""


@pytest.mark.long
@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_what_was_said_to_be_written_outlives_a_kill(tmp_path):
    path = tmp_path / "rating.sqlite"
    ratings = Ratings.create(path, study(targets=100))
    said = -1
    for wanted in (3, 20, 47):
        words = [sys.executable, "-c", RATES_FOR_EVER, str(path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as writer:
            for line in writer.stdout:
                said = int(line)
                if said >= wanted:
                    break
            writer.send_signal(signal.SIGKILL)
            said = max([said, *map(int, writer.stdout.read().split())])
        found = ratings.frame().set_index("job")["value"]
        assert [found[job] for job in range(said + 1)] == [1 + n % 10 for n in range(said + 1)]
        assert len(found) in (said + 1, said + 2), "one may be written and not yet said"
        assert found.index.is_unique
