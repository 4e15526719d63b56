"""The task of the paper's section 7.4: masks of a detector's boxes, and their average precision."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.data.abilities import Federated, NamesCategories
from bench.data.subset import whole_of
from bench.files.hashing import sha256_of_all
from bench.files.names import fault_of_name
from bench.files.places import local_path
from bench.files.there import kind_of
from bench.models.loading import model_class
from bench.protocol import chosen
from bench.tasks.boxes.asking import Asking
from bench.tasks.boxes.detections import DetectionFile
from bench.tasks.boxes.rows import BoxRows, Truth
from bench.tasks.boxes.rules import RULES, Rules
from bench.tasks.contract import Lent, Way
from bench.tasks.counting import check_counts
from bench.tasks.opening import open_protocol
from bench.types import BenchError, Measure, Reader, Site, Step
from bench.types.rows.boxes import BEST_IOU, FOUND, BoxRow

log = logging.getLogger(__name__)

DETECTOR, TRUE = "detector_box", "true_box"
"""What published numbers call the boxes of a detector, and what boxes of the truth are called."""


@dataclass(frozen=True, slots=True)
class Passes:
    """The masks of a box as steps: the first, and the one that it is refined to."""

    steps: int
    called: str

    @property
    def report_steps(self) -> Mapping[int, Step]:
        """Each of them."""
        names = (self.called, f"{self.called}_refined")
        return {step: Step(name=name) for step, name in enumerate(names[: self.steps], start=1)}


class Boxes:
    """Masks of boxes, a box each (SAM, section 7.4 and appendix D.4), scored as detections.

    ``boxes`` is a detector's result file (``bench.tasks.boxes.detections``); without one the boxes
    are those of the targets themselves, with a score of 1: what a perfect detector would give.
    ``detector`` is what the detector is called where several stand in one report. ``refine`` asks
    each box again with its mask fed back, and ``single`` for one candidate in the place of several,
    see ``Asking``. ``rules`` is a key of ``RULES``; by default LVIS's where the dataset says what
    was looked for in its images, else COCO's. Raises ``BenchError`` for rules that aren't there,
    and a name that can't be one.
    """

    row = BoxRow
    asks_model = True
    measures: Sequence[Measure] = (FOUND, BEST_IOU)

    def __init__(
        self,
        boxes: str | None = None,
        detector: str | None = None,
        refine: bool = True,
        single: bool = False,
        rules: str | None = None,
    ) -> None:
        if rules is not None:
            chosen(RULES, rules, "detection")
        if detector is not None and (fault := fault_of_name(detector)):
            raise BenchError(f"task.args.detector {detector!r} {fault}: it names the run's folder")
        if detector is not None and boxes is None:
            raise BenchError(
                "task.args.detector names the maker of task.args.boxes=FILE, which isn't said"
            )
        self._path = None if boxes is None else local_path(boxes)
        self._rules, self._asking = rules, Asking(refine, single)
        self._kind = TRUE if boxes is None else DETECTOR
        self._called = detector or self._kind
        self._read: tuple[tuple[str, ...], DetectionFile] | None = None

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One run, of a step or two."""
        return {self._called: Passes(self._asking.steps, self._kind)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """Pins the model's files and the boxes; refuses a model that can't be asked so."""
        segmenter = model_class(config.model, config.runtime.allow_modules)
        if beyond := self._asking.kinds - segmenter.prompt_kinds:
            mend = "; leave the second pass out: task.args.refine=false"
            raise BenchError(
                f"task {config.task.name} asks {', '.join(sorted(self._asking.kinds))}, and model "
                f"{config.model.name} understands "
                f"{', '.join(sorted(segmenter.prompt_kinds)) or 'none'}"
                f"{mend if beyond == {'mask_logits'} else ''}"
            )
        protocol = open_protocol(config)
        if protocol.box_noise_std:
            raise BenchError(
                f"task {config.task.name} asks the boxes that there are, and protocol "
                f"{config.protocol.name} loosens them at random: protocol.args.box_noise_std=0"
            )
        args: dict[str, object] = {
            "boxes": None if self._path is None else self._hash,
            "refine": self._asking.refine,
            "single": self._asking.single,
            "rules": self._rules,
        }
        task = config.task
        return Question(
            task=Component(task.name, task.version, task.target, args, task.about),
            seed=0,
            model=replace(config.model, args=segmenter.pin(config.model.args, site)),
            dataset=config.dataset,
            prompts={self._called: Component(self._called, "1", self._kind)},
            protocol=config.protocol,
        )

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Some target counts, and some detection is of an image and a category of the dataset."""
        name = config.dataset.name
        check_counts(name, open_protocol(config), reader, reader.ids()[: config.runtime.limit])
        names = _category_names(reader) or {}
        called = Counter(names.values()).most_common(1)
        if called and called[0][1] > 1:
            raise BenchError(
                f"{name}: {called[0][1]} of its categories are called {called[0][0]!r}, so the "
                "name says none of them; rename them apart"
            )
        if self._path is None:
            return
        file = self._file(reader)
        astray = file.astray
        if not file.number:
            raise BenchError(f"{self._path}: it holds no detection")
        there = (
            f"; the dataset has images such as {', '.join(map(repr, reader.ids()[:3]))} and "
            f"categories such as {', '.join(repr(each) for each in list(names)[:3])}"
        )
        for many, what, some in (
            (astray.of_images, "an image", astray.images),
            (astray.of_categories, "a category", astray.categories),
        ):
            if not many:
                continue
            said = f"{many:,} of {file.number:,} detections are of {what} that {name} doesn't have"
            said = f"{self._path}: {said}, such as {', '.join(map(repr, some))}"
            if astray.of_images + astray.of_categories == file.number:
                raise BenchError(said + there)
            log.warning("%s; they are left out", said)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> BoxRows:
        """What asks the model and judges its masks."""
        assert lent.segmenter is not None
        protocol = open_protocol(config)
        whole = whole_of(reader)
        federated = whole if isinstance(whole, Federated) else None
        names = _category_names(reader)
        truth = Truth(
            protocol=protocol,
            classless=self._path is not None and names is not None and not names,
            federated=federated,
            rules=self._rules_of(reader),
        )
        return BoxRows(
            names={
                "dataset": config.dataset.name,
                "model": config.model.name,
                "protocol": config.protocol.name,
                "prompt": self._called,
            },
            truth=truth,
            file=None if self._path is None else self._file(reader),
            first=reader.ids()[0],
            asking=self._asking,
            segmenter=lent.segmenter,
            lent=lent,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """Whose boxes were asked, and how many were not, by reason."""
        if not counted.get("images"):
            return []
        source = "the targets' own, each with a score of 1: the most that boxes can give"
        if self._path is not None:
            source = f"those of {self._path.name}"
        notes = [
            f"{config.model.name}: boxes are {source}; {counted.get('asked', 0):,} were asked."
        ]
        return notes + [
            f"{config.model.name}: {number:,} {said}."
            for key, said in _SAID.items()
            if (number := counted.get(key))
        ]

    def _file(self, reader: Reader) -> DetectionFile:
        """The detections, read once for a reader's images."""
        assert self._path is not None
        ids = tuple(reader.ids())
        if self._read is None or self._read[0] != ids:
            self._read = ids, DetectionFile(self._path, ids, _category_names(reader))
        return self._read[1]

    def _rules_of(self, reader: Reader) -> Rules:
        """Those that were chosen, else LVIS's where an image tells what was looked for in it."""
        whole = whole_of(reader)
        told = isinstance(whole, Federated) and any(map(whole.looked_for, reader.ids()))
        return RULES[self._rules or ("lvis" if told else "coco")]

    @cached_property
    def _hash(self) -> str:
        """A hash of the file's content."""
        assert self._path is not None
        if not self._path.is_file():
            raise BenchError(f"{self._path}: {kind_of(self._path, 'file of detections')}")
        return sha256_of_all(self._path)


_SAID = {
    "no_pixel": "boxes hold no pixel of their picture: nothing was asked, their masks are empty",
    "beyond": "detections are beyond the most that count of an image, and are left out",
    "unknown": "detections are of categories that the dataset doesn't have, and are left out",
    "not_looked_for": "detections are of categories that nobody looked for in their image, and are "
    "left out",
    "of_no_image": "detections are of images that the dataset doesn't have, and are left out",
    "crowds": "targets are crowds: they may be taken, and count for nothing",
    "nameless": "targets have no category, and count for nothing",
    "small": "targets are smaller than the protocol's min_area: they may be taken, and count for "
    "nothing",
    "empty": "targets have no pixel: none can find them",
}
"""What is said of each number of ``counted``."""


def _category_names(reader: Reader) -> Mapping[int | str, str] | None:
    """What the dataset's files call its categories; none where the reader can't tell."""
    whole = whole_of(reader)
    if not isinstance(whole, NamesCategories):
        return None
    return {number: category.name for number, category in whole.categories().items()}
