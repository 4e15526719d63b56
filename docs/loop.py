"""An evaluation in one function: what ``sam-bench run`` does, without what makes it fast."""

from collections.abc import Iterator

from bench.protocol import Protocol
from bench.scoring.score import Aim, Score, score
from bench.tasks.random_numbers import mask_rng
from bench.types import MaskCue, PromptStrategy, Reader, Segmenter


def scores(
    reader: Reader, model: Segmenter, strategy: PromptStrategy, protocol: Protocol
) -> Iterator[tuple[str, str, int, Score]]:
    """The score of every mask after every step, with its image's id, its own, and the step."""
    for image_id in reader.ids():
        sample = reader.read(image_id)
        [embedding] = model.embed([sample.image])  # slow: once per image
        counted, _ = protocol.sort_out(sample.targets)
        for target in counted:
            aim = Aim(target.mask, sample.ignore)
            prompt = found = None
            for step in range(1, strategy.steps + 1):
                mask = None if found is None else found.mask
                rng = mask_rng(0, image_id, target.mask_id, step)
                following = strategy.next(target, sample.ignore, mask, prompt, rng)
                if following is not None:  # else no error is left: the step keeps its mask
                    prompt = following
                    logits = None if found is None else found.mask_logits
                    if logits is not None and protocol.feeds_back():
                        prompt = prompt.having(MaskCue(logits))
                    multimask = protocol.asks_multimask(prompt)
                    answer = model.predict([embedding], [prompt], multimask)  # fast
                    [found] = score(answer, [aim], protocol)
                yield image_id, target.mask_id, step, found
