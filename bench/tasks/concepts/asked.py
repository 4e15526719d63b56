"""Which phrases are asked of an image, and what each annotator found of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from bench.data.abilities import NamesPhrases, Phrase
from bench.data.subset import whole_of
from bench.protocol import Protocol
from bench.types import BenchError, Reader, Sample, Target
from bench.types.categories import category_of


@dataclass(frozen=True, slots=True)
class Truth:
    """What one annotator found of a phrase: the targets that count, and the crowds aside."""

    annotator: str | None
    targets: Sequence[Target]
    crowds: Sequence[Target]


@dataclass(frozen=True, slots=True)
class Asked:
    """A phrase of an image, and what each of its annotators found, at least one."""

    phrase_id: str
    text: str
    truths: Sequence[Truth]


@dataclass(frozen=True, slots=True)
class Found:
    """The phrases of an image; targets that don't count, by reason; and what else was counted.

    ``counted`` has ``unnamed``, targets without a category; ``unasked``, those of a category that
    is not asked; ``partial``, phrases of which not all instances are annotated.
    """

    asked: Sequence[Asked]
    skipped: Mapping[str, int]
    counted: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Phrases:
    """Which phrases are asked of an image: the data's own, ``vocabulary``, or its categories.

    A dataset that names its phrases is asked those. Of any other each image is asked every text of
    the vocabulary, whatever is there, or, without one, the categories of its own targets: then no
    phrase is negative.
    """

    names: NamesPhrases | None
    vocabulary: Sequence[str] | None
    protocol: Protocol

    @classmethod
    def of(
        cls, dataset: str, reader: Reader, vocabulary: Sequence[str] | None, protocol: Protocol
    ) -> Phrases:
        """Raises ``BenchError`` for a vocabulary beside phrases that the data name."""
        names = naming(reader)
        if names is not None and vocabulary is not None:
            raise BenchError(
                f"{dataset} names its phrases, and some of nothing in a picture too: leave "
                "task.args.phrases out"
            )
        return cls(names, vocabulary, protocol)

    def named(self, image_id: str) -> Sequence[Phrase]:
        """The image's phrases that the data name; empty where they name none."""
        return () if self.names is None else self.names.phrases(image_id)

    def of_image(self, sample: Sample) -> Found:
        """The phrases of an image, in the order of the data or of the vocabulary."""
        counted: Counter[str] = Counter()
        asked: list[Asked] = []
        skipped: Counter[str] = Counter()
        if self.names is not None:
            for phrase in self.named(sample.image_id):
                if not phrase.exhaustive:
                    counted["partial"] += 1
                    continue
                own = [t for t in sample.targets if t.attributes["phrase"] == phrase.phrase_id]
                truths = [
                    self._truth(who, [t for t in own if t.attributes["annotator"] == who], skipped)
                    for who in phrase.annotators
                ]
                asked.append(Asked(phrase.phrase_id, phrase.text, truths))
            return Found(asked, skipped, counted)
        of: dict[str, list[Target]] = {text: [] for text in self.vocabulary or ()}
        for target in sample.targets:
            category = category_of(target)
            if category is None:
                counted["unnamed"] += 1
            elif self.vocabulary is None or category in of:
                of.setdefault(category, []).append(target)
            else:
                counted["unasked"] += 1
        for text, targets in of.items():
            truth = self._truth(None, targets, skipped)
            asked.append(Asked(phrase_id(sample.image_id, text), text, [truth]))
        return Found(asked, skipped, counted)

    def _truth(
        self, annotator: str | None, targets: Sequence[Target], skipped: Counter[str]
    ) -> Truth:
        counting, left_out = self.protocol.sort_out(targets)
        skipped.update(left_out)
        plain = [replace(each, crowd=False) for each in counting]  # one that counts is a target
        return Truth(annotator, plain, self.protocol.crowds_aside(targets))


def phrase_id(image_id: str, text: str) -> str:
    """The id of a phrase of a dataset that names none.

    >>> phrase_id("7", "red dog")
    '7/red dog'
    """
    return f"{image_id}/{text}"


def check_asked(dataset: str, phrases: Phrases, reader: Reader, image_ids: Sequence[str]) -> None:
    """Raises ``BenchError`` where no phrase is asked of any image.

    Images are read until one has a phrase; where one can't be read the run tells of it.
    """
    for image_id in image_ids:
        try:
            if phrases.of_image(reader.read(image_id)).asked:
                return
        except (BenchError, ValueError, OSError):
            return
    raise BenchError(
        f"{dataset}: nothing to ask: no target of its {len(image_ids)} images has a category, and "
        "task.args.phrases names none"
    )


def naming(reader: Reader) -> NamesPhrases | None:
    """The reader as one that names phrases; none where it is none."""
    whole = whole_of(reader)
    return whole if isinstance(whole, NamesPhrases) else None


def checked_vocabulary(phrases: Sequence[str] | None) -> tuple[str, ...] | None:
    """The texts without blanks around them; raises ``BenchError`` for none, a blank and twins."""
    if phrases is None:
        return None
    texts = tuple(str(each).strip() for each in phrases)
    if not texts or not all(texts):
        raise BenchError("task.args.phrases lists one phrase or more, and none is blank")
    if twice := [text for text, times in Counter(texts).items() if times > 1]:
        raise BenchError(f"task.args.phrases lists {twice[0]!r} more than once")
    return texts
