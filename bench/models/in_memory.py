"""Models that a script holds: given from Python, they are there only in its own process."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, ClassVar, cast

from bench.config.component import Component, check_keeps
from bench.files.names import fault_of_name
from bench.models.predictors import Asks, Predictor
from bench.models.state_hash import networks_of, plain_settings, state_sha256
from bench.types import BenchError, ImageArray, Prediction, Prompt, Segmenter, Site

_PREFIX = "Given_"

_HELD: dict[str, type[GivenModel]] = {}
"""The classes of the models that are there now."""


class GivenModel:
    """A Segmenter that is there already; each one that is held has a class of its own.

    ``identity`` is what tells it from any other; see ``held``.
    """

    prompt_kinds: ClassVar[frozenset[str]] = frozenset()
    thing: ClassVar[Any] = None
    title: ClassVar[str] = ""

    def __init__(self, identity: Mapping[str, Any], *, site: Site) -> None:
        self._segmenter = self.opened(site)

    @classmethod
    def opened(cls, site: Site) -> Segmenter:
        """The Segmenter itself."""
        segmenter: Segmenter = cls.thing
        return segmenter

    @classmethod
    def pin(cls, args: Mapping[str, Any], site: Site) -> dict[str, Any]:
        """The arguments as they are: they were made of the thing's content."""
        return dict(args)

    @property
    def facts(self) -> Mapping[str, str]:
        """Those of the thing."""
        return self._segmenter.facts

    def embed(self, images: Sequence[ImageArray]) -> Sequence[Any]:
        """See ``Segmenter``."""
        return self._segmenter.embed(images)

    def predict(
        self, embeddings: Sequence[Any], prompts: Sequence[Prompt], multimask: bool
    ) -> Prediction:
        """See ``Segmenter``."""
        return self._segmenter.predict(embeddings, prompts, multimask)


class GivenPredictor(GivenModel):
    """A thing with ``set_image`` and ``predict`` that is there already."""

    asks: ClassVar[Asks]

    @classmethod
    def opened(cls, site: Site) -> Segmenter:
        """See ``Predictor``."""
        return cast(Segmenter, Predictor(cls.thing, cls.title, cls.asks, site))


@contextmanager
def held(thing: Any, name: str | None, version: str | None) -> Iterator[Component]:
    """The thing as a model of a run, as long as the context lasts.

    It is a predictor or a ``Segmenter``. What tells it from others is its class, the hash of its
    networks (``state_sha256``), a Segmenter's own plain attributes, a predictor's
    ``mask_threshold``, and ``name`` and ``version``, which must be given where it has no networks:
    then they alone do. The name is the class's unless another is given.

    Raises ``BenchError`` for another thing, one without a name and version that needs them, and
    networks that are in training mode.
    """
    kind = type(thing)
    if inspect.isclass(thing):
        raise BenchError(f"model: {thing.__name__} is a class; give an object of it")
    title = kind.__name__ if name is None else name
    is_predictor = all(callable(getattr(thing, each, None)) for each in ("set_image", "predict"))
    if not is_predictor and not callable(getattr(thing, "embed", None)):
        raise BenchError(
            f"model: a {kind.__name__} is neither a predictor, with set_image and predict, nor a "
            "Segmenter (bench.types.Segmenter)"
        )
    identity: dict[str, Any] = {
        "class": f"{kind.__module__}.{kind.__qualname__}",
        **_weights(thing, title),
    }
    if "weights" not in identity and (name is None or version is None):
        raise BenchError(
            f"model: {kind.__name__} holds no weights that tell it from another; say which it is: "
            "model=bench.Given(it, name='mine', version='1'), another version whenever it changes"
        )
    if is_predictor:
        asks = Asks.of(thing, title)
        identity["threshold"] = _plain_threshold(thing)
        extra = {"asks": asks, "prompt_kinds": asks.kinds}
        base: type[GivenModel] = GivenPredictor
    else:
        check_keeps(thing, Segmenter, title)
        identity["settings"] = plain_settings(thing, private=True)
        extra = {"prompt_kinds": frozenset(thing.prompt_kinds)}
        base = GivenModel
    text = json.dumps([title, version, identity], sort_keys=True)
    address = _PREFIX + hashlib.sha256(text.encode()).hexdigest()[:16]
    body = {"__module__": __name__, "thing": thing, "title": title, **extra}
    component = Component(title, version or "1", f"{__name__}.{address}", {"identity": identity})
    _HELD[address] = type(address, (base,), body)
    try:
        yield component
    finally:
        _HELD.pop(address).thing = None


def __getattr__(name: str) -> Any:
    """The class of a model that is held now, which a component names as its target."""
    if name in _HELD:
        return _HELD[name]
    if name.startswith(_PREFIX):
        raise BenchError(
            "the model was given from Python and is not in this process; call bench.evaluate "
            "with it again"
        )
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _weights(thing: Any, title: str) -> dict[str, str]:
    """The hash of the thing's networks, where it has any that can be hashed."""
    if fault := fault_of_name(title):
        raise BenchError(f"model: the name {title!r} {fault}")
    networks = networks_of(thing)
    weighted = [net for net in networks.values() if next(net.parameters(), None) is not None]
    if any(layer.training for network in weighted for layer in network.modules()):
        raise BenchError(f"{title}: its network is in training mode; call its eval() first")
    sha256 = state_sha256(networks)
    return {} if sha256 is None else {"weights": sha256}


def _plain_threshold(thing: Any) -> float | None:
    said = getattr(thing, "mask_threshold", None)
    return float(said) if isinstance(said, int | float) else None
