from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from test_runs import ROW

from bench.store.compaction import MOST_SMALL, compact
from bench.store.part_file import Content, PartFile, Whose, part_bytes, part_name, read_table
from bench.store.part_folder import PartFolder
from bench.store.runs import RunStore, read_runs
from bench.types import BenchError


@pytest.fixture
def store(tmp_path: Path) -> RunStore:
    return RunStore.create(tmp_path, "d-m-point_3-000000000000")


def write(store: RunStore, *images: str) -> None:
    rows = [replace(ROW, image_id=image_id) for image_id in images]
    store.write_part(rows, images, {"crowd": 1}, f"of {images[0]}")


def images_read(store: RunStore) -> list[str]:
    return read_runs([store], ["iou"])["image_id"].tolist()


def test_no_flipped_bit_goes_unnoticed(store: RunStore) -> None:
    write(store, "a")
    (part,) = store.parts()
    good = part.read_bytes()
    for place in range(0, len(good), 29):
        part.write_bytes(good[:place] + bytes([good[place] ^ 4]) + good[place + 1 :])
        with pytest.raises(BenchError, match="damaged part"):
            RunStore(store.folder).contents()
        with pytest.raises(BenchError, match=f"{part.name}.*damaged part"):
            read_runs([RunStore(store.folder)], ["iou"])
    part.write_bytes(good)
    assert images_read(store) == ["a"]


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_damaged_part_is_set_aside_and_the_others_count(store: RunStore, keep: int) -> None:
    write(store, "a")
    (broken,) = store.parts()
    write(store, "b")
    broken.write_bytes(broken.read_bytes()[:keep])
    (said,) = store.mend()
    assert broken.name in said
    assert (store.folder / "damaged" / broken.name).is_file()
    assert images_read(store) == ["b"]
    assert store.mend() == []


def test_a_part_written_before_names_held_hashes_is_read(store: RunStore) -> None:
    write(store, "a")
    (part,) = store.parts()
    table = pq.read_table(part)
    metadata = dict(table.schema.metadata) | {b"bench.schema_version": b"1"}
    pq.write_table(table.replace_schema_metadata(metadata), part.with_name("x.parquet"))
    part.unlink()
    assert images_read(store) == ["a"]
    assert store.content().images == ("a",)


def test_an_image_done_twice_counts_once_and_is_mended(store: RunStore) -> None:
    write(store, "a", "b", "c")
    write(store, "c", "d")
    assert sorted(store.content().images) == ["a", "b", "c"]
    assert store.survey().needs_mending
    (said,) = store.mend()
    assert "twice" in said
    assert len(list((store.folder / "doubled").iterdir())) == 1
    assert images_read(store) == ["a", "b", "c"], "d is to be done again"


def test_leftovers_of_killed_writes_are_swept(store: RunStore) -> None:
    leftovers = [store.folder / "parts" / f".x.parquet.{'0' * 32}", store.folder / f".r.{'1' * 32}"]
    for path in leftovers:
        path.write_bytes(b"PAR1")
    (store.folder / ".lock").touch()
    store.mend()
    assert not any(path.exists() for path in leftovers)
    assert (store.folder / ".lock").exists()


def many(store: RunStore, count: int = MOST_SMALL + 6) -> list[str]:
    names = [f"{index:03d}" for index in range(count)]
    for name in names:
        write(store, name)
    return names


def test_small_parts_are_compacted_without_a_change(store: RunStore) -> None:
    names = many(store)
    rows, contents = read_runs([store]), store.contents()
    assert compact(store) == len(names)
    assert len(store.parts()) == 1
    assert sorted(p.name for p in (store.folder / "parts").iterdir()) == [store.parts()[0].name]
    assert read_runs([store]).equals(rows)
    key = lambda content: content.images  # noqa: E731
    assert sorted(store.contents(), key=key) == sorted(contents, key=key)
    assert compact(store) == 0, "few parts are left alone"


def test_compaction_keeps_what_was_measured_of_which_image(store: RunStore) -> None:
    half = MOST_SMALL // 2
    for index in range(MOST_SMALL + 2):
        name = f"{index:03d}"
        values = {"dice": 0.5} if index < half else {"nsd_2": None}
        store.write_part([replace(ROW, image_id=name, metrics=values)], [name])
    store.write_part([], ["rowless"])
    before = {metric: store.unmeasured(metric) for metric in ("dice", "nsd_2", "iou", "other")}
    rows = read_runs([store])
    assert compact(store) == MOST_SMALL + 2
    assert len(store.parts()) == 3
    assert {metric: store.unmeasured(metric) for metric in before} == before
    assert [len(images) for images in before.values()] == [half + 3, half + 1, 1, 2 * half + 3]
    assert read_runs([store]).equals(rows)


def test_a_compacted_run_grows_and_is_compacted_again(store: RunStore) -> None:
    many(store)
    compact(store)
    for index in range(MOST_SMALL):
        write(store, f"later {index:03d}")
    rows = read_runs([store])
    assert compact(store) == MOST_SMALL + 1
    assert read_runs([store]).equals(rows)


@pytest.mark.parametrize("deleted", [0, 1, 30])
def test_compaction_cut_short_shows_each_row_once(store: RunStore, deleted: int) -> None:
    many(store)
    parts = store.survey().sound
    rows = read_runs([store])
    names = [part.path.name for part in parts]
    contents = [content for part in parts for content in part.contents]
    table = pa.concat_tables([read_table(part.path) for part in parts])
    store.replace_parts(part_bytes(table, contents, names), names[:deleted])
    assert read_runs([store]).equals(rows)
    assert len(store.parts()) == 1
    assert len(store.survey().replaced) == len(names) - deleted
    assert store.mend() == []
    assert len(list((store.folder / "parts").iterdir())) == 1
    assert read_runs([store]).equals(rows)


def test_a_damaged_compacted_part_leaves_what_it_would_have_replaced(store: RunStore) -> None:
    names = many(store)
    parts = store.survey().sound
    contents = [content for part in parts for content in part.contents]
    table = pa.concat_tables([read_table(part.path) for part in parts])
    store.replace_parts(part_bytes(table, contents, [part.path.name for part in parts]), [])
    (merged,) = store.parts()
    merged.write_bytes(merged.read_bytes()[:-9])
    store.mend()
    assert images_read(store) == names


@pytest.mark.long
def test_a_reader_never_sees_a_row_missing_or_twice_while_parts_are_compacted(
    store: RunStore,
) -> None:
    names = many(store)
    reader, over, wrong = RunStore(store.folder), threading.Event(), []

    def read() -> None:
        while not over.is_set():
            try:
                found = images_read(reader)
            except Exception as error:
                found = [repr(error)]
            if found[: len(names)] != names:
                wrong.append(found)

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for batch in range(3):
            compact(store)
            for index in range(MOST_SMALL + 1):
                write(store, f"later {batch} {index:03d}")
    finally:
        over.set()
        thread.join()
    assert not wrong


def test_parts_that_keep_coming_do_not_keep_a_reader_waiting(store: RunStore) -> None:
    class Growing(PartFolder):
        """Another worker finishes a part whenever the folder is listed."""

        def _scan(self) -> Iterator[tuple[str, int, int]]:
            yield from super()._scan()
            write(store, f"later {len(list(self.path.iterdir())):03d}")

    write(store, "first")
    survey = Growing(store.folder / "parts").survey(Whose())
    assert "first" in survey.sound[0].images or "first" in survey.sound[1].images


def test_a_store_under_another_guard_opens_no_part_again(store: RunStore) -> None:
    write(store, "a")
    store.survey()
    (path,) = store.parts()
    before, data = path.stat(), bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    guarded = store.under(lambda: None)
    assert [part.path for part in guarded.survey().sound] == [path]
    assert list(RunStore(store.folder).survey().damaged) == [path]
    with pytest.raises(BenchError, match="damaged part"):
        read_runs([guarded], ["iou"])


def test_a_part_replaces_nothing_outside_its_folder(store: RunStore) -> None:
    write(store, "a")
    (part,) = store.survey().sound
    names = ["../run.json", part.path.name]
    store.write_header({"status": "complete"})
    store.replace_parts(part_bytes(read_table(part.path), part.contents, names), [])
    assert store.survey().replaced == (part.path,)
    store.mend()
    assert store.header() == {"status": "complete"}
    assert images_read(store) == ["a"]


def test_who_lost_the_run_writes_nothing(tmp_path: Path) -> None:
    def no_longer() -> None:
        raise BenchError("no longer ours")

    folder = RunStore.create(tmp_path, "x").folder
    store = RunStore(folder, no_longer)
    for attempt in (lambda: write(store, "a"), lambda: store.write_header({})):
        with pytest.raises(BenchError, match="no longer ours"):
            attempt()
    assert [path.name for path in folder.rglob("*")] == ["parts"]
    assert store.content() == Content()


def headed(store: RunStore, key: str, model: str = "m") -> RunStore:
    """The store anew, with a header of that key and model."""
    store.write_header({"key": key, "model": {"name": model}, "status": "running"})
    return RunStore(store.folder)


def test_each_part_says_whose_it_is_and_a_merged_one_whose_its_pieces_were(
    store: RunStore,
) -> None:
    store = headed(store, "aaa")
    for number in range(MOST_SMALL + 1):
        write(store, f"i{number:03d}")
    assert compact(store) == MOST_SMALL + 1
    (part,) = store.survey().sound
    assert {content.run for content in part.contents} == {"aaa"}
    other = headed(store, "bbb")
    assert other.survey().sound == ()
    (why,) = other.survey().strange.values()
    assert "a part of run aaa, this is run bbb" in why
    for attempt in (other.contents, lambda: read_runs([other])):
        with pytest.raises(BenchError, match="a part of run aaa"):
            attempt()


def test_a_merged_part_of_another_run_hides_no_part_of_this_one(store: RunStore) -> None:
    store = headed(store, "aaa")
    write(store, "a")
    (own,) = store.survey().sound
    content = replace(own.contents[0], run="bbb")
    data = part_bytes(read_table(own.path), [content], [own.path.name])
    store.replace_parts(data, [])
    survey = store.survey()
    assert (survey.sound, survey.replaced) == ((own,), ())
    assert len(survey.strange) == 1
    (said,) = store.mend()
    assert "set aside in strange/" in said
    assert len(list((store.folder / "strange").iterdir())) == 1
    assert store.content().images == ("a",)


def test_a_part_of_an_earlier_release_is_held_against_the_names_in_its_rows(
    store: RunStore,
) -> None:
    write(store, "a")  # no header, no key: as parts of schema version 3
    assert [content.run for part in store.survey().sound for content in part.contents] == [""]
    assert headed(store, "aaa").content().images == ("a",)
    other = headed(store, "aaa", model="another")
    with pytest.raises(BenchError, match="a part of model 'm', this is a run of model 'another'"):
        other.contents()


ODD = [
    {"masks": None}, {"masks": -1}, {"masks": float("nan")}, {"masks": "3"}, {"images": [1]},
    {"images": "a"}, {"images": None}, {"skipped": {"crowd": "x"}}, {"counted": [1]},
    {"fingerprint": 3}, {"run": None}, {"origins": [1]}, {"images": ["a", None]},
    {"masks": 0}, {"masks": 2}, {"images": []}, {"images": ["ghost"]}, {"images": ["a", "a"]},
]  # fmt: skip


@pytest.mark.parametrize("odd", ODD, ids=str)
def test_a_part_whose_account_is_of_other_kinds_or_of_other_rows_is_set_aside(
    store: RunStore, odd: dict[str, object]
) -> None:
    write(store, "a")
    write(store, "b")
    part = store.parts()[0]
    table = pq.read_table(part)
    said = json.loads(table.schema.metadata[b"bench.content"])
    table = table.replace_schema_metadata(
        table.schema.metadata | {b"bench.content": json.dumps(said | odd)}
    )
    pq.write_table(table, part)
    data = part.read_bytes()
    part.unlink()
    (part.parent / part_name(data)).write_bytes(data)
    with pytest.raises(BenchError, match="its account of its images"):
        images_read(RunStore(store.folder))
    (line,) = RunStore(store.folder).mend()
    assert "set aside in damaged/" in line
    assert len(images_read(RunStore(store.folder))) == 1


def only(store: RunStore, image_id: str) -> PartFile:
    """The part of one image."""
    return next(part for part in store.survey().sound if part.images == [image_id])


def forged(
    store: RunStore, rows: Sequence[str], claims: Sequence[Content], replaces: Sequence[str] = ()
) -> str:
    """Writes a part of a mask in each of these images, under a hash that holds; gives its name."""
    row = read_table(store.survey().sound[0].path).slice(0, 1)
    table = pa.concat_tables([row] * len(rows))
    for column, values in (("image_id", rows), ("mask_id", ["forged"] * len(rows))):
        table = table.set_column(table.column_names.index(column), column, pa.array(values))
    data = part_bytes(table, claims, replaces)
    (name := store.folder / "parts" / part_name(data)).write_bytes(data)
    return name.name


@pytest.mark.parametrize("hollow", [["b"], ["b", "c", "d"]])
def test_who_has_rows_of_an_image_counts_rather_than_who_says_that_it_has_none(
    store: RunStore, hollow: list[str]
) -> None:
    write(store, "b")
    name = forged(store, ["a"], [Content(("a", *hollow), 1)])
    survey = RunStore(store.folder).survey()
    assert [part.images for part in survey.sound] == [["b"]]
    assert [part.path.name for part in survey.doubled] == [name]
    (said,) = store.mend()
    assert "without the rows that another part has of them" in said
    assert images_read(store) == ["b"], "a is to be done again"
    assert (store.folder / "doubled" / name).is_file()


def test_of_two_that_say_that_an_image_has_no_rows_one_counts(store: RunStore) -> None:
    write(store, "a")
    for images in (["none"], ["none", "neither"]):
        store.write_part([], images)
    survey = store.survey()
    assert sorted(part.images for part in survey.sound) == [["a"], ["none", "neither"]]
    assert [part.images for part in survey.doubled] == [["none"]]
    assert images_read(store) == ["a"]


def test_a_part_is_not_deleted_for_one_that_only_says_that_it_replaces_it(store: RunStore) -> None:
    write(store, "a")
    write(store, "b")
    a, b = only(store, "a"), only(store, "b")
    names = [a.path.name, b.path.name]
    without = forged(store, ["x"], [Content(("x",), 1)], names)
    survey = store.survey()
    assert sorted(part.images for part in survey.sound) == [["a"], ["b"], ["x"]]
    assert store.mend() == []
    (store.folder / "parts" / without).unlink()
    forged(store, ["x"], [Content(("x",), 1), *a.contents, *b.contents], names)
    (said,) = store.mend()
    assert "it says 1 masks in what it has 0 rows of); set aside in damaged/" in said
    assert images_read(store) == ["a", "b"]


def test_a_part_is_kept_where_the_one_that_replaces_it_has_other_rows(store: RunStore) -> None:
    write(store, "a")
    write(store, "b")
    b = only(store, "b")
    forged(store, ["b", "x"], [Content(("x",), 1), *b.contents], [b.path.name])
    assert store.survey().replaced == (b.path,)
    (said,) = store.mend()
    assert "has other rows; set aside in doubled/" in said
    assert (store.folder / "doubled" / b.path.name).is_file()


def test_two_parts_that_replace_each_other_are_not_both_gone(store: RunStore) -> None:
    write(store, "a")
    (a,) = store.survey().sound
    for name, other in (("x", "y"), ("y", "x")):  # names without a hash, as in schema version 1
        data = part_bytes(read_table(a.path), a.contents, [f"{other}.parquet"])
        (store.folder / "parts" / f"{name}.parquet").write_bytes(data)
    a.path.unlink()
    store.mend()
    assert images_read(store) == ["a"]


def test_a_merged_part_that_does_not_count_replaces_nothing(store: RunStore) -> None:
    write(store, "a")
    write(store, "b", "c")
    a = only(store, "a")
    forged(store, ["a", "b"], [*a.contents, Content(("b",), 1)], [a.path.name])
    write(store, "b", "c", "d", "e")
    assert [part.images for part in store.survey().sound if part.path == a.path] == [["a"]]
    store.mend()
    assert images_read(store) == ["a", "b", "c", "d", "e"]


def test_a_link_to_a_part_that_is_gone_is_said_at_once(store: RunStore) -> None:
    write(store, "a")
    link = store.folder / "parts" / f"{'0' * 32}-{'0' * 16}.parquet"
    link.symlink_to(store.folder / "nothing")
    with pytest.raises(BenchError, match=f"{link.name}: a link to a file that isn't there"):
        images_read(store)
