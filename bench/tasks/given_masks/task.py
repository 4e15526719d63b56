"""The task of scoring masks that another tool predicted: no model is asked, no prompt is made."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from bench.config.component import Component
from bench.config.composing import RunConfig
from bench.config.run_key import Question
from bench.data.formats.spellings import normal_form
from bench.files.hashing import sha256_of_all
from bench.files.places import local_path
from bench.files.text import visible_line
from bench.protocol import Protocol, chosen
from bench.scoring.metrics.iou import iou
from bench.scoring.score import Aim
from bench.tasks.contract import Case, Lent, Scored, Way
from bench.tasks.counting import none_counts
from bench.tasks.given_masks.matching import (
    FITS,
    MISSED,
    RULES,
    Answer,
    Rule,
    aimed_at,
    crossed,
    match,
)
from bench.tasks.given_masks.predictions import Given, Predictions, check_there, read_predictions
from bench.tasks.one_step import OneStep
from bench.tasks.opening import open_protocol
from bench.types import (
    IOU,
    BenchError,
    Mask,
    MaskRow,
    Measure,
    Reader,
    Sample,
    Site,
    Target,
)
from bench.types.categories import category_of
from bench.types.stopwatch import Stopwatch

log = logging.getLogger(__name__)

PROMPT = "given"
"""What stands for a prompt in rows and keys."""


class GivenMasks:
    """Scores the masks in the file or folder ``predictions`` as a run of a model.

    ``model`` is what the model is called, by default as the file is; ``format`` is the files'
    (``bench.tasks.given_masks.predictions``), ``match`` the rule by which predictions find their
    targets (``bench.tasks.given_masks.matching``). Above ``threshold`` a mask of levels is in the
    mask; without one, masks that need it are refused. A target without a prediction has IoU 0, and
    the notes say how many there are. ``categories`` are the names of the numbers that stand for
    categories in the files; a target without a category has no row where the rule goes by them.
    Raises ``BenchError`` for a rule that isn't there, and a category without a number or a name.
    """

    row = MaskRow
    asks_model = False
    measures: Sequence[Measure] = (IOU,)

    def __init__(
        self,
        predictions: str,
        model: str | None = None,
        format: str | None = None,  # noqa: A002 - the word that users know
        match: str = "id",
        threshold: int | None = None,
        categories: Mapping[int | str, str] | None = None,
    ) -> None:
        self.rule = chosen(RULES, match, "matching")
        if isinstance(threshold, bool) or not isinstance(threshold, int | None):
            raise BenchError(f"task.args.threshold is a whole number, found {threshold!r}")
        self.threshold = threshold
        self.categories = None if categories is None else numbered(categories)
        self.path, self.kind, self.match = local_path(predictions), format, match
        self.model = model or self.path.stem

    def ways(self, config: RunConfig) -> Mapping[str, Way]:
        """One step."""
        return {PROMPT: OneStep(self.rule.called)}

    def settle(self, config: RunConfig, site: Site) -> Question:
        """The masks stand in the place of a model: a hash of their files enters the key."""
        args: dict[str, object] = {"predictions": self._hash, "match": self.match}
        if self.threshold is not None:
            args["threshold"] = self.threshold
        if self.categories is not None:
            args["categories"] = {str(number): name for number, name in self.categories.items()}
        about = {"title": self.model, "what": f"masks given in {self.path.name}"}
        return Question(
            task=Component("given_masks", "1", config.task.target, about=config.task.about),
            seed=0,
            model=Component(self.model, "1", PROMPT, args, about),
            dataset=config.dataset,
            prompts={PROMPT: Component(PROMPT, "1", PROMPT)},
            protocol=config.protocol,
        )

    def check(self, config: RunConfig, reader: Reader) -> None:
        """Matches all predictions once, so that one that doesn't fit is said before rows are."""
        scorer = self.scorer(config, reader, Lent(None))
        counting, lost, skipped, known = 0, "", Counter[str](), set[str]()
        categories: Counter[str] = Counter()
        for image_id in reader.ids():
            try:
                sample = reader.read(image_id)
            except (BenchError, ValueError, OSError) as error:
                lost = lost or f"; {image_id}: {error}"
                continue
            known.update(target.mask_id for target in sample.targets)
            answered = scorer.answered(sample)
            counting += answered.counting
            skipped.update(answered.skipped)
            categories.update(filter(None, map(category_of, answered.targets)))
        for name, mask_id in scorer.spelled.items():
            if name in known:
                raise BenchError(
                    f"{name!r} and {mask_id!r} are targets that differ in their spelling alone, so "
                    "a mask without its image's folder may be either's: write it as "
                    "<image_id>/<mask_id>.png"
                )
        if scorer.spelled:
            name, mask_id = next(iter(scorer.spelled.items()))
            log.info(
                "%d masks are named as their targets in another spelling, %r as %r for one",
                *(len(scorer.spelled), name, mask_id),
            )
        if scorer.homeless and not lost:
            raise BenchError(f"{next(iter(scorer.homeless.values())).where}: no such target")
        if counting and self.rule.categories:
            self._check_categories(categories, scorer.given, config.dataset.name)
        if not counting:
            said = none_counts(config.dataset.name, skipped, len(reader.ids()), reader)
            raise BenchError(said + lost)

    def scorer(self, config: RunConfig, reader: Reader, lent: Lent) -> GivenRows:
        """Rows of the targets and what answers them."""
        return GivenRows(
            dataset=config.dataset.name,
            model=self.model,
            protocol_name=config.protocol.name,
            protocol=open_protocol(config),
            rule=self.rule,
            match=self.match,
            given=read_predictions(
                self.path, self.kind, reader.ids(), self.threshold, self.categories
            ),
            lent=lent,
        )

    def notes(self, config: RunConfig, counted: Mapping[str, int]) -> Sequence[str]:
        """How masks were chosen, targets without a mask or with another's, masks without one."""
        notes = [f"{self.model}: {self.rule.how}."] if self.rule.how else []
        if unnamed := counted.get("unnamed"):
            notes.append(f"{self.model}: {unnamed} targets have no category and are left out.")
        if missing := counted.get("missing"):
            notes.append(
                f"{self.model}: {missing} of {counted['targets']} targets have no mask given and "
                "count as IoU 0."
            )
        if found := counted.get("crossed"):
            notes.append(
                f"{self.model}: {found} of {counted['targets']} targets are missed by what answers "
                f"them (IoU below {MISSED}) but fit a mask given for another (IoU of {FITS} or "
                f"more): does --match {self.match} mean the right targets?"
            )
        given = counted.get("given", 0)
        if unused := given - counted.get("used", 0):
            notes.append(f"{self.model}: {unused} of {given} given masks answer no target.")
        return notes

    def _check_categories(
        self, targets: Mapping[str, int], given: Predictions, dataset: str
    ) -> None:
        """Names categories that targets or given masks have alone; refuses where all are so."""
        ours, theirs = set(targets), set[str]()
        unnamed: dict[str, Given] = {}
        for one in (one for some in given.values() for one in some):
            if (one.category or "").strip():
                theirs.add(str(one.category).strip())
            else:
                said = "a mask" if one.value is None else f"the value {one.value}"
                unnamed.setdefault(said, one)
        if not ours:
            raise BenchError(
                f"{dataset}: no target has a category, and --match {self.match} goes by them; "
                "choose --match best"
            )
        if not theirs & ours:
            mend = "name the numbers of the files by --categories (task.args.categories)"
            raise BenchError(
                f"{self.path}: no given mask is of a category of {dataset}: there are "
                f"{_some(theirs) or 'none'}, the dataset has {_some(ours)}; {mend}"
            )
        if unnamed:
            where = next(iter(unnamed.values())).where
            log.warning("%s: without a category, and so no answer: %s", where, _some(unnamed))
        for who, left in (("given masks", theirs - ours), (f"targets of {dataset}", ours - theirs)):
            if left:
                log.warning("%s alone have the categories %s", who, _some(left))

    @cached_property
    def _hash(self) -> str:
        """A hash of a file, or of the names and contents of a folder's files."""
        check_there(self.path)
        return sha256_of_all(self.path)


@dataclass(frozen=True, slots=True)
class Answered:
    """The targets of an image that have rows, and what answers them.

    ``skipped`` are those that don't count, by reason, ``given`` the number of masks given,
    ``counting`` that of targets that count, and ``unnamed`` that of those of them without a
    category, where the rule goes by it. Pixels that count in no score are off in the targets.
    """

    targets: Sequence[Target]
    answers: Mapping[str, Answer]
    skipped: Mapping[str, int]
    given: int
    counting: int
    unnamed: int


class GivenRows:
    """Makes the rows of one image after the other."""

    def __init__(
        self,
        dataset: str,
        model: str,
        protocol_name: str,
        protocol: Protocol,
        rule: Rule,
        match: str,
        given: Predictions,
        lent: Lent,
    ) -> None:
        self._names = {"dataset": dataset, "model": model, "protocol": protocol_name}
        self._protocol, self._rule, self._match, self._lent = protocol, rule, match, lent
        self.given = given
        self.homeless = {one.names[0]: one for one in given.get("", ())}
        """Masks of no image, by the name of their target, that no target was found for yet."""
        self.spelled: dict[str, str] = {}
        """The names of such masks that were their target's in another spelling, and its own."""
        forms: dict[str, list[str]] = {}
        for name in self.homeless:
            forms.setdefault(normal_form(name), []).append(name)
        self._by_form = {form: names[0] for form, names in forms.items() if len(names) == 1}

    def __call__(self, cases: Sequence[Case], watch: Stopwatch) -> list[Scored]:
        """A row for each target that counts."""
        scored = []
        for case in cases:
            with watch("score"):
                scored.append(self._score(case.sample))
        return scored

    def answered(self, sample: Sample) -> Answered:
        """The targets of an image and what answers them."""
        counting, skipped = self._protocol.sort_out(sample.targets)
        given = [*self.given.get(sample.image_id, ()), *self._found_by_name(sample)]
        named = counting
        if self._rule.categories:
            named = [target for target in counting if category_of(target) is not None]
        targets = list(aimed_at(self._rule, sample.image_id, sample.targets, named))
        # A prediction for a target that doesn't count is no mistake; it may only be chosen for
        # its name, never for how well it fits.
        among = targets if self._rule.fits else sample.targets
        cut = [_cut(target, sample) for target in among]
        answers = match(self._match, given, cut)
        unnamed = len(counting) - len(named)
        return Answered(targets, answers, skipped, len(given), len(counting), unnamed)

    def _score(self, sample: Sample) -> Scored:
        found = self.answered(sample)
        targets, answers, skipped = found.targets, found.answers, found.skipped
        counting = {target.mask_id for target in targets}
        used = {answer.where: answer.made_of for i, answer in answers.items() if i in counting}
        counted = {
            "given": found.given,
            "targets": len(targets),
            "missing": sum(mask_id not in answers for mask_id in counting),
            "used": sum(used.values()),
            **({"unnamed": found.unnamed} if found.unnamed else {}),
        }
        rows = [self._row(sample, target, answers.get(target.mask_id)) for target in targets]
        cut = [_cut(target, sample) for target in targets]
        counted["crossed"] = crossed({row.mask_id: row.iou for row in rows}, answers, cut)
        return Scored(sample.image_id, {PROMPT: rows}, skipped, counted)

    def _found_by_name(self, sample: Sample) -> Iterable[Given]:
        """The masks of no image that the sample's targets are the names of, taken from there."""
        forms = Counter(normal_form(target.mask_id) for target in sample.targets)
        for target in sample.targets:
            name, form = target.mask_id, normal_form(target.mask_id)
            if name not in self.homeless and forms[form] == 1:
                name = self._by_form.get(form, name)
            if (one := self.homeless.pop(name, None)) is None:
                continue
            if name != target.mask_id:
                self.spelled[name] = target.mask_id
            yield one

    def _row(self, sample: Sample, target: Target, answer: Answer | None) -> MaskRow:
        aim = Aim(target.mask, sample.ignore, target.others)
        mask = Mask.empty(*sample.shape) if answer is None else answer.mask
        if sample.ignore is not None:
            mask = mask.without(sample.ignore)
        value = iou(mask, aim.mask)
        score = None if answer is None else answer.score
        return MaskRow.of(
            sample,
            target,
            **self._names,
            prompt=PROMPT,
            step=1,
            n_points=0,
            point_coords=[],
            point_labels=[],
            box=None,
            iou=value,
            iou_oracle=value,
            ious=[value],
            predicted_ious=[] if score is None else [score],
            selected=0,
            multimask=False,
            mask_rle=mask.to_rle() if self._lent.keep_masks else None,
            other_ious=aim.other_ious(mask),
            human_ious=aim.human_ious,
            metrics=aim.values(mask, self._lent.metrics),
        )


def _cut(target: Target, sample: Sample) -> Target:
    """The target less the pixels that count in no score."""
    if sample.ignore is None:
        return target
    return replace(target, mask=target.mask.without(sample.ignore))


def numbered(categories: Mapping[int | str, str]) -> dict[int, str]:
    """Names by their numbers; raises ``BenchError`` for what is none."""
    found: dict[int, str] = {}
    for number, name in categories.items():
        try:
            found[int(number)] = str(name).strip()
        except ValueError:
            raise BenchError(
                f"task.args.categories names numbers, found {number!r}: {name!r}"
            ) from None
        if not found[int(number)]:
            raise BenchError(f"task.args.categories has no name for {number}")
    return found


def _some(names: Iterable[str], most: int = 5) -> str:
    """Some names in words, in order."""
    shown = sorted(visible_line(name) for name in names)
    more = f" and {len(shown) - most} more" if len(shown) > most else ""
    return ", ".join(shown[:most]) + more
