"""The pages of a rater: what each address answers. Who serves them is another's business.

A rater's own token stands in front of every address; without one of the study there is nothing,
and nothing says so in other words. Neither an address nor a page tells which model made a mask:
jobs go by codes, pictures by what they show, and a failure is told in full to the log alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus

from bench.report.pages.html import template
from bench.report.rating.order import ordered, still_due, turns
from bench.report.rating.views import VIEWS, draw_views, png
from bench.store.ratings import HIGHEST, LOWEST, Rater, Ratings, StudyTarget, seconds_of
from bench.types import BenchError, Dot, Line, Mask, Prompt, Rectangle, Sample, Words
from bench.types.cues import prompt_of_row

log = logging.getLogger(__name__)

ReadPicture = Callable[[StudyTarget], Sample]
"""Gives the sample that a target lies in; raises ``BenchError`` where it can't."""

SCALE: Mapping[range, str] = {
    range(1, 2): "There is no object in it that one could name.",
    range(2, 5): "Badly wrong: whole parts of other things are in it, or whole parts are missing, "
    "or the rim makes no sense.",
    range(5, 7): "The object can be told, but much is wrong: a part too many or too few, or a rim "
    "that is clearly off.",
    range(7, 10): "The right object, with small faults along the rim; the fewer, the higher.",
    range(10, 11): "No fault that you can see.",
}
"""What the numbers stand for, after appendix E of the Segment Anything paper."""

CRITERIA = (
    "Is it an object? A mask should be of one thing that has a name, or of a part of one, or of "
    "several that belong together; not of a patch that stops in the middle of something.",
    "Does its rim follow the object's? Holes, fringes, jagged or rounded edges, and specks far "
    "away count against it.",
    "Is it what was pointed at? The blue dot, or the box, should lie on it or around it. Of "
    "several things that a dot may mean, any will do: the shirt or the person who wears it.",
)
"""What a rater looks at, after the criteria of appendix E."""

KEPT_JOBS = 8
"""Of how many jobs the drawn views are kept."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What an address answers: its status, and a page, a picture, or where to go on."""

    status: HTTPStatus
    body: bytes = b""
    kind: str = "text/plain; charset=utf-8"
    location: str | None = None


NOTHING = Reply(HTTPStatus.NOT_FOUND, b"Not Found")


class Pages:
    """The pages of all raters of one study. Several threads may ask at once."""

    def __init__(self, ratings: Ratings, read_picture: ReadPicture) -> None:
        self.ratings = ratings
        choices = ratings.choices()
        self._seed, self._each = int(choices["seed"]), choices["each"]
        self._largest = int(choices["largest"])
        self._jobs = {job.code: job.id for job in ratings.jobs()}
        self._codes = {job: code for code, job in self._jobs.items()}
        self._read_picture = read_picture
        self._turns = lru_cache(maxsize=4)(self._dealt)
        self._views = lru_cache(maxsize=KEPT_JOBS)(self._drawn)
        self._drawing = threading.Lock()

    def start(self, token: str) -> Reply:
        """What is to be done, how far the rater is, and the way to the next job."""
        rater = self.ratings.rater_of(token)
        if rater is None:
            return NOTHING
        mine, answers = self._order(rater), self.ratings.answers(rater.id)
        rated = sum(answer.value is not None for answer in answers.values())
        skipped = [job for job in mine if job in answers and answers[job].value is None]
        return _page(
            "rate_start.html.jinja",
            rater=rater,
            jobs=len(mine),
            rated=rated,
            left=sum(job not in answers for job in mine),
            skipped=[self._codes[job] for job in skipped],
        )

    def following(self, token: str, after: str | None = None) -> Reply:
        """Leads to the first job without an answer.

        Where all have one, to the next that was skipped behind the job ``after``, or to the start.
        """
        rater = self.ratings.rater_of(token)
        if rater is None:
            return NOTHING
        mine, answers = self._order(rater), self.ratings.answers(rater.id)
        here = mine.index(self._jobs[after]) + 1 if after is not None else len(mine)
        fresh = [job for job in mine if job not in answers]
        skipped = [job for job in mine[here:] if job in answers and answers[job].value is None]
        found = next(iter(fresh or skipped), None)
        where = f"/{token}" if found is None else f"/{token}/{self._codes[found]}"
        return Reply(HTTPStatus.SEE_OTHER, location=where)

    def job(self, token: str, code: str) -> Reply:
        """The page of one mask, with its rating where the rater has given one."""
        rater = self.ratings.rater_of(token)
        mine = [] if rater is None else self._order(rater)
        if rater is None or self._jobs.get(code) not in mine:
            return NOTHING
        job, answers = self._jobs[code], self.ratings.answers(rater.id)
        place = mine.index(job)
        target, _ = self.ratings.target_of(job)
        return _page(
            "rate_job.html.jinja",
            rater=rater,
            code=code,
            number=place + 1,
            jobs=len(mine),
            done=sum(each in answers for each in mine),
            before=self._codes[mine[place - 1]] if place else None,
            value=answers[job].value if job in answers else None,
            asked=_asked(prompt_of_row(target.prompt)),
            views=VIEWS,
        )

    def rate(self, token: str, code: str, form: Mapping[str, str]) -> Reply:
        """Writes what a page sent, then leads on; ``form`` has ``value``, or ``skip``."""
        rater = self.ratings.rater_of(token)
        if rater is None or self._jobs.get(code) not in self._order(rater):
            return NOTHING
        job, said = self._jobs[code], form.get("value", "")
        numbers = {str(number): number for number in range(LOWEST, HIGHEST + 1)}
        if "skip" not in form and said not in numbers:
            return _said(HTTPStatus.BAD_REQUEST, "A rating is a whole number from 1 to 10.")
        try:
            if "skip" in form:
                self.ratings.skip(job, rater.id)
            else:
                seconds = seconds_of(form.get("seconds", ""))
                self.ratings.rate(job, rater.id, numbers[said], seconds)
        except BenchError as error:
            log.error("%s", error)
            unsaved = "Your answer was not saved. Go back and send it again."
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, unsaved)
        return self.following(token, code)

    def view(self, token: str, code: str, name: str) -> Reply:
        """One of ``VIEWS`` of a job, as a PNG."""
        rater = self.ratings.rater_of(token)
        known = rater is not None and name in VIEWS and self._jobs.get(code) in self._order(rater)
        if not known:
            return NOTHING
        try:
            with self._drawing:  # readers and OpenCV are busy with one picture at a time
                drawn = self._views(self._jobs[code])
        except BenchError as error:
            log.error("a picture can't be shown: %s", error)
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "This picture can't be shown.")
        return Reply(HTTPStatus.OK, drawn[name], "image/png")

    def _order(self, rater: Rater) -> list[int]:
        """The rater's jobs, those with an answer among them, in the rater's own order."""
        if self._each is None:
            return ordered(self._codes, self._seed, rater.name)
        turn = self._turns(tuple(each.name for each in self.ratings.raters()))
        due = still_due(turn, rater.name, self.ratings.counts(), self._each)
        return ordered(due | set(self.ratings.answers(rater.id)), self._seed, rater.name)

    def _dealt(self, raters: tuple[str, ...]) -> dict[int, frozenset[str]]:
        return turns(self._codes, self._seed, raters, self._each)

    def _drawn(self, job: int) -> dict[str, bytes]:
        target, rle = self.ratings.target_of(job)
        sample = self._read_picture(target)
        if sample.shape != (target.height, target.width):
            raise BenchError(f"{target.run}: image {target.image_id} is another than it was")
        masks = [_mask(target, each) for each in self.ratings.masks_beside(job)]
        truth = masks[-1]  # the ground truth is the last of a target's sources
        mask, prompt = _mask(target, rle), prompt_of_row(target.prompt)
        views = draw_views(sample.image, truth, masks, mask, prompt, self._largest)
        return {name: png(picture) for name, picture in views.items()}


def _mask(target: StudyTarget, rle: str) -> Mask:
    return Mask.from_rle({"size": [target.height, target.width], "counts": rle})


def _asked(prompt: Prompt) -> str:
    """A sentence on what was pointed at; empty for masks that nothing asked for."""
    words = [shape.text for shape in prompt.shapes if isinstance(shape, Words)]
    ways = {
        "the box": any(isinstance(shape, Rectangle) for shape in prompt.shapes),
        "the blue dot": any(isinstance(shape, Dot) for shape in prompt.shapes),
        "the blue line": any(isinstance(shape, Line) for shape in prompt.shapes),
        f"the words “{' '.join(words)}”": bool(words),
    }
    shown = [name for name, there in ways.items() if there]
    return f"What is meant is shown by {' and '.join(shown)}." if shown else ""


def _page(name: str, **facts: object) -> Reply:
    text = template(name, served=True).render(
        scale=[(f"{r[0]}–{r[-1]}" if len(r) > 1 else f"{r[0]}", said) for r, said in SCALE.items()],
        criteria=CRITERIA,
        values=range(LOWEST, HIGHEST + 1),
        **facts,
    )
    return Reply(HTTPStatus.OK, text.encode(), "text/html; charset=utf-8")


def _said(status: HTTPStatus, sentence: str) -> Reply:
    return Reply(status, sentence.encode())
