"""Our matching of edges against the numbers that the BSDS benchmark's authors printed.

    python benchmarks/edge_fidelity.py FOLDER      # BSDS500's bench/data: png, ucm2, groundTruth
    python benchmarks/edge_fidelity.py FOLDER --draws 20

The published evaluator leaves a pixel alone by edges to a few places drawn at random, unseeded, so
its numbers move from call to call: its ``test_1`` (UCMs) and ``test_2`` (the same maps as PNG) hold
different numbers of equal maps. Here its rule is written out and drawn several times: what it
printed lies among them, and what the exact optimum adds is seen.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import result_files
from scipy.io import loadmat
from scipy.sparse import csr_array
from scipy.sparse.csgraph import min_weight_full_bipartite_matching
from scipy.spatial import cKDTree

from bench.analysis.sections.edges import Curve, Edges
from bench.scoring.edges.boundaries import boundaries_of
from bench.scoring.edges.counts import Match, edge_counts, thresholds
from bench.scoring.edges.matching import ALONE, matched, reach_in
from bench.tasks.edges.maps import read_map
from bench.types import BoolArray

LEVELS = 5
DEGREE = 6
"""Random places that a pixel may be left alone by, in the published code."""

NAMES = ("ODS", "OIS", "AP")
COLUMNS = {"ODS": 3, "OIS": 6, "AP": 7}
"""Where ``eval_bdry.txt`` has them."""


def published_match(seed: int) -> Match:
    """The published rule, drawn with this seed: a pixel alone costs as much, by 6 random places."""
    rng = np.random.default_rng(seed)

    def match(lines: BoolArray, truth: BoolArray, reach: float) -> tuple[BoolArray, BoolArray]:
        both = [np.argwhere(each) for each in (lines, truth)]
        marks = [np.zeros(each.shape, dtype=bool) for each in (lines, truth)]
        if not all(map(len, both)):
            return marks[0], marks[1]
        near = cKDTree(both[0]).sparse_distance_matrix(
            cKDTree(both[1]), reach, output_type="coo_matrix"
        )
        if not near.nnz:
            return marks[0], marks[1]
        (ones, i), (others, j) = (np.unique(e, return_inverse=True) for e in (near.row, near.col))
        alone = int(np.ceil(ALONE * reach * 100))
        left, right = _published_pairs(i, j, np.rint(near.data * 100), alone, rng)
        for mark, pixels, chosen in zip(marks, both, (ones[left], others[right]), strict=True):
            mark[tuple(pixels[chosen].T)] = True
        return marks[0], marks[1]

    return match


def _published_pairs(
    i: npt.NDArray[np.intp], j: npt.NDArray[np.intp], costs: npt.NDArray[np.float64], alone: int,
    rng: np.random.Generator,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:  # fmt: skip
    """The pairs of the published graph: pixels, places to be alone, and both of the other map."""
    a, b = int(i.max()) + 1, int(j.max()) + 1
    edges = [(i, j, costs)]
    for count, side in ((a, 0), (b, 1)):
        places = _some(rng, max(0, min(DEGREE, count - 1)), count - 1, count)
        places += places >= np.arange(count)[:, None]  # not its own
        own = np.repeat(np.arange(count), places.shape[1])
        pair = (own, b + places.ravel()) if side == 0 else (a + places.ravel(), own)
        edges.append((*pair, np.full(own.size, float(alone))))
    most, least = max(a, b), min(a, b)
    places = _some(rng, max(0, min(DEGREE, least)), least, most)
    many, few = np.repeat(np.arange(most), places.shape[1]), places.ravel()
    pair = (a + many, b + few) if a < b else (a + few, b + many)
    edges.append((*pair, np.full(many.size, float(alone))))
    last = float(alone) * (a + b)
    edges.append((np.arange(a), b + np.arange(a), np.full(a, last)))
    edges.append((a + np.arange(b), np.arange(b), np.full(b, last)))
    rows, columns, weights = (np.concatenate(each) for each in zip(*edges, strict=True))
    order = np.lexsort((weights, columns, rows))
    rows, columns, weights = rows[order], columns[order], weights[order]
    first = np.r_[True, (np.diff(rows) != 0) | (np.diff(columns) != 0)]
    graph = csr_array((weights[first] + 1, (rows[first], columns[first])), shape=(a + b, a + b))
    left, right = min_weight_full_bipartite_matching(graph)
    paired = (left < a) & (right < b)
    return left[paired], right[paired]


def _some(rng: np.random.Generator, few: int, of: int, times: int) -> npt.NDArray[np.intp]:
    """``few`` different numbers below ``of``, so many ``times``."""
    found = np.empty((times, few), dtype=np.intp)
    for row in range(times):
        found[row] = rng.choice(of, few, replace=False)
    return found


def counted(folder: Path, kind: str, match: Match) -> Edges:
    """The counts of all pictures of ``png`` or ``ucm2``, each at five thresholds."""
    found = []
    for file in sorted((folder / kind).iterdir()):
        people = [
            cell["Boundaries"][0, 0].astype(bool)
            for cell in loadmat(folder / "groundTruth" / f"{file.stem}.mat")["groundTruth"][0]
        ]
        shape = people[0].shape
        strength, reach = read_map(file, shape), reach_in(shape)
        counts = edge_counts(strength, people, thresholds(LEVELS), reach, match)
        found.append(counts.stacked().astype(np.float64))
    return Edges(thresholds(LEVELS), np.stack(found), np.arange(len(found)))


def numbers(edges: Edges) -> dict[str, float]:
    """ODS, OIS and AP, then precision and recall at each threshold, and each picture's best F."""
    found = edges.numbers()
    curve = edges.curve()
    whole = [found[name] for name in ("ods", "ois", "ap_edges")]
    told = dict(zip(NAMES, (each.mean for each in whole if each is not None), strict=True))
    for number in range(LEVELS):
        told[f"R at {number + 1}/6"] = float(curve.recall[number])
        told[f"P at {number + 1}/6"] = float(curve.precision[number])
    for number, counts in enumerate(edges.counts, start=1):
        told[f"F of image {number}"] = Curve.of(edges.levels, counts).best()[0]
    return told


def printed(folder: Path) -> dict[str, float]:
    """The same, as the authors printed it."""
    whole, by_level, by_image = (
        np.loadtxt(folder / name)
        for name in ("eval_bdry.txt", "eval_bdry_thr.txt", "eval_bdry_img.txt")
    )
    told = {name: float(whole[COLUMNS[name]]) for name in NAMES}
    for number, row in enumerate(by_level):
        told[f"R at {number + 1}/6"], told[f"P at {number + 1}/6"] = float(row[1]), float(row[2])
    for number, row in enumerate(by_image, start=1):
        told[f"F of image {number}"] = float(row[4])
    return told


def boundaries_differ(folder: Path) -> tuple[int, int]:
    """In how many pixels the files' boundaries differ from those of their segments, and of many."""
    pixels = differing = 0
    for file in sorted((folder / "groundTruth").glob("*.mat")):
        for cell in loadmat(file)["groundTruth"][0]:
            drawn = cell["Boundaries"][0, 0].astype(bool)
            segments = cell["Segmentation"][0, 0].astype(np.int32)
            differing += int((boundaries_of(segments) != drawn).sum())
            pixels += drawn.size
    return differing, pixels


def report(folder: Path, draws: int) -> Iterator[str]:
    """The lines of the Markdown."""
    yield "# Edges against the printed numbers"
    yield ""
    differing, pixels = boundaries_differ(folder)
    yield (
        f"Boundaries made of segments differ from the files' own in {differing} of {pixels:,} "
        "pixels."
    )
    started = time.process_time()
    kinds = {kind: numbers(counted(folder, kind, matched)) for kind in ("png", "ucm2")}
    took = (time.process_time() - started) / 2
    drawn = [numbers(counted(folder, "png", published_match(seed))) for seed in range(draws)]
    tests = {"png": "test_2", "ucm2": "test_1"}
    theirs = {kind: printed(folder / test) for kind, test in tests.items()}
    yield ""
    yield (
        f"Printed for PNGs (`test_2`) and UCMs (`test_1`) of equal maps; the published rule drawn "
        f"{draws} times; the exact optimum (PNG and UCM alike: "
        f"{'yes' if kinds['png'] == kinds['ucm2'] else 'no'}). {took:.1f} s of processor for 5 "
        f"pictures at {LEVELS} thresholds."
    )
    yield ""
    yield "| | printed, PNG | printed, UCM | drawn, least | drawn, most | exact | exact − printed |"
    yield "|---|--:|--:|--:|--:|--:|--:|"
    for name, value in theirs["png"].items():
        ours, some = kinds["png"][name], [each[name] for each in drawn]
        cells = [value, theirs["ucm2"][name], min(some), max(some), ours, ours - value]
        yield f"| {name} | " + " | ".join(f"{cell:.6f}" for cell in cells) + " |"
    both = [v for t in theirs.values() for v in t.items()]
    spread = {name: [each[name] for each in drawn] for name in theirs["png"]}
    inside = sum(min(spread[n]) - 5e-7 <= v <= max(spread[n]) + 5e-7 for n, v in both)
    most = max(abs(kinds["png"][name] - value) for name, value in theirs["png"].items())
    apart = max(abs(theirs["png"][n] - theirs["ucm2"][n]) for n in theirs["png"])
    yield ""
    yield (
        f"{inside} of {len(both)} printed numbers lie among the drawn ones. The exact optimum is "
        f"at most {most:.6f} from the printed numbers, which are up to {apart:.6f} from each other."
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="bench/data of BSDS500's distribution")
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--name", default="edge_fidelity", help="of the files in results")
    chosen = parser.parse_args(arguments)
    text = "\n".join(report(chosen.folder, chosen.draws)) + "\n"
    result_files.write(chosen.name, text, draws=chosen.draws)
    sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
