"""One model for several edits at once: what they ask at the same time is asked in one call.

An edit runs as it does alone: its own walk, its own draws, its own constraints, on its own state.
Only the network is shared. Edits that run side by side ask it through a `Shared` model, which puts
requests about states of one shape into one call, whatever photo, prompt or level they are of.

That must not change a picture. A library may sum in another order for another batch size, so a size
is used only where it was seen to give the bits that it gives alone: the first calls of a size at a
shape are made both ways and compared, and the answers given are those of the calls made alone (or
in sizes that have passed). Which kernels run depends on shapes, not on values, so a size that
agrees in every bit of two calls is taken to agree in all. One that does not is not used. So
pictures depend neither on who shared a call, nor on the size, nor on how much memory there was.
"""

import time
from collections import deque
from collections.abc import Callable, Generator, Iterable, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Condition, Thread
from typing import Any

import torch

from editkit.diffusion.guides import Branch, Cfg, Guide
from editkit.diffusion.levels import Schedule
from editkit.diffusion.solvers import Solver
from editkit.errors import DeviceError
from editkit.models.base import Capabilities, Model, Request
from editkit.models.conditions import Conditions, Text, TextEmbedding
from editkit.models.memory import free_memory, give_back, is_out_of_memory, taken
from editkit.models.settings import Settings
from editkit.tensors import Latents, Pixels, State
from editkit.types import Size

MOST = 16
"""Requests in one call, unless more are asked for."""

_TRIALS = 2
"""Calls of a size that are compared before it is used."""

_GAIN = 0.95
"""A size has to take less than this share of the time of those before it."""

_PATIENCE = 4
"""Shapes at which no size has passed, after which no other is tried."""

_ROOM = 0.7
"""Share of the free memory that a call may be expected to take."""

Key = tuple[Any, ...]
Answers = list[Sequence[State]]


class StoppedError(Exception):
    """Whoever ran the edits wants them no more."""


@dataclass(eq=False)
class _Asked:
    """A request, by whom, and where the answer goes."""

    walker: object
    key: Key
    request: Request
    answer: "Future[Sequence[State]]" = field(default_factory=Future[Sequence[State]])


@dataclass
class _Shape:
    """What is known of calls about states of one shape.

    Attributes:
        sizes: of calls that may be made, smallest first.
        closed: whether no larger one will be tried.
        each: bytes that one request takes; 0 where that is not known.
        times: by the clock, of the trials of the next size: as before, and at that size.
    """

    area: int
    sizes: list[int] = field(default_factory=lambda: [1])
    closed: bool = False
    each: int | None = None
    times: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])

    @property
    def next(self) -> int:
        return 2 * self.sizes[-1]

    def fitting(self, count: int) -> int:
        """The largest size for so many requests."""
        return max(size for size in self.sizes if size <= count)

    def shrink(self, size: int) -> None:
        """No call is made of so many any more."""
        self.sizes = [s for s in self.sizes if s < size]
        self.closed = True


class Shared:
    """A model that several edits ask at once.

    All of the model's work is done by one thread, so that a device has one thing to do at a time.

    Attributes:
        model: the model.
        most: requests in one call; None for as many as memory and time make worth while.
    """

    def __init__(self, model: Model, most: int | None = None) -> None:
        self.model, self.most = model, most
        self._turn = Condition()
        self._waiting = list[_Asked]()
        self._errands = deque[tuple[Future[Any], Callable[[], Any]]]()
        self._walking = dict[object, Key]()
        self._shapes = dict[Key, _Shape]()
        self._least_useless = 2**63
        self._failed = 0
        self._thread: Thread | None = None
        self._closed = False

    def close(self, *, for_good: bool = False) -> None:
        """Ends the model's thread, until an edit begins again, or for good.

        Those that still ask are told `StoppedError`.
        """
        with self._turn:
            thread, self._thread = self._thread, None
            self._closed = for_good
            self._turn.notify_all()
        if thread is not None:
            thread.join()

    @property
    def width(self) -> int:
        """How many edits are worth having under way at a time."""
        if self.most is not None:
            return self.most if self.most == 1 else self.most + 2
        with self._turn:
            best = max((shape.sizes[-1] for shape in self._shapes.values()), default=1)
            grows = best < MOST and any(
                shape.sizes[-1] == best and not shape.closed for shape in self._shapes.values()
            )
        # Two more than share: they are at what needs no network.
        return min(2 * best if grows else best, MOST) + 2 if best > 1 else 2

    @contextmanager
    def edit(self) -> Generator[Model]:
        """The model as one edit sees it."""
        walker = _Walker(self)
        self._open()
        try:
            yield walker
        finally:
            self.leaves(walker)

    def _open(self) -> None:
        with self._turn:
            if self._thread is None and not self._closed:
                self._thread = Thread(target=self._serve, daemon=True, name="model")
                self._thread.start()

    def leaves(self, walker: object) -> None:
        """An edit asks no more for a while: nobody waits for it."""
        with self._turn:
            self._walking.pop(walker, None)
            self._turn.notify_all()

    def asked(self, walker: object, request: Request) -> Sequence[State]:
        """The answer to a request, when there is one."""
        asked = _Asked(walker, _key(request), request)
        with self._turn:
            self._check_open()
            self._walking[walker] = asked.key
            self._waiting.append(asked)
            self._turn.notify_all()
        return asked.answer.result()

    def sent(self, walker: object, errand: Callable[[], Any]) -> Any:  # noqa: ANN401
        """What the model's thread makes of an errand."""
        future = Future[Any]()
        with self._turn:
            self._check_open()
            self._walking.pop(walker, None)
            self._errands.append((future, errand))
            self._turn.notify_all()
        return future.result()

    def _check_open(self) -> None:
        if self._thread is None:
            raise StoppedError

    def _serve(self) -> None:
        """The life of the model's thread."""
        while True:
            with self._turn:
                work = None
                while self._thread is not None and work is None:
                    work = self._due()
                    if work is None:
                        self._turn.wait()
                if work is None:
                    self._refuse()
                    return
            work()

    def _due(self) -> Callable[[], None] | None:
        """What is to be done now.

        Errands first, as others can go on after them. A call is made when it is full, or when all
        who walk at that shape have asked; of several the one that has waited longest.
        """
        if self._errands:
            future, errand = self._errands.popleft()
            return lambda: _settle(future, errand)
        for key in dict.fromkeys(asked.key for asked in self._waiting):
            group = [asked for asked in self._waiting if asked.key == key]
            walking = sum(1 for other in self._walking.values() if other == key)
            full = self._full(key)
            if len(group) >= min(full, walking):
                group = group[:full]
                self._waiting = [asked for asked in self._waiting if asked not in group]
                return lambda: self._answer(self._shape(key), group)
        return None

    def _refuse(self) -> None:
        for future in (*(a.answer for a in self._waiting), *(f for f, _ in self._errands)):
            future.set_exception(StoppedError())
        self._waiting.clear()
        self._errands.clear()

    def _shape(self, key: Key) -> _Shape:
        (height, width), rows = key[0][-2:], key[1]
        return self._shapes.setdefault(key, _Shape(height * width * rows))

    def _full(self, key: Key) -> int:
        """How many are put together at most: the next size, as long as it may be tried."""
        shape = self._shape(key)
        return shape.next if self._may_grow(shape) else shape.sizes[-1]

    def _may_grow(self, shape: _Shape) -> bool:
        if shape.closed or shape.next > (self.most or MOST):
            return False
        if self.most is None and shape.area >= self._least_useless:
            return False  # what gains nothing where there is less to do gains nothing here
        if self._failed >= _PATIENCE and shape.sizes[-1] == 1:
            return False
        return self._fits(shape, shape.next)

    def _fits(self, shape: _Shape, size: int) -> bool:
        return not shape.each or shape.each * size <= _ROOM * free_memory(self.model.device)

    def _answer(self, shape: _Shape, group: Sequence[_Asked]) -> None:
        """Answers requests about states of one shape."""
        while group:
            size = self._size(shape, len(group))
            part, group = group[:size], group[size:]
            try:
                answers = self._answers(shape, [asked.request for asked in part])
            except Exception:  # noqa: BLE001 - found again by the one to blame
                for asked in part:
                    _settle(asked.answer, lambda q=asked.request: self._by_itself(q))
            else:
                for asked, answer in zip(part, answers, strict=True):
                    asked.answer.set_result(answer)

    def _size(self, shape: _Shape, count: int) -> int:
        """How many of so many requests go into the next call."""
        tried = count >= shape.next and self._may_grow(shape)
        return shape.next if tried else shape.fitting(count)

    def _answers(self, shape: _Shape, requests: Sequence[Request]) -> Answers:
        tried = len(requests) not in shape.sizes
        return self._tried(shape, requests) if tried else self._asked(shape, requests)

    def _by_itself(self, request: Request) -> Sequence[State]:
        return self.model.predict([request])[0]

    def _asked(self, shape: _Shape, requests: Sequence[Request]) -> Answers:
        """Answers in calls that have been tried; where memory fails, in smaller ones."""
        answers = Answers()
        while len(answers) < len(requests):
            part = requests[len(answers) :]
            part = part[: shape.fitting(len(part))]
            try:
                answers += self._ask(shape, part)
            except Exception as error:
                if len(part) == 1 or not is_out_of_memory(error):
                    raise
                shape.shrink(len(part))
            # Outside the handler, which holds what the call had made.
            if len(part) not in shape.sizes:
                give_back(self.model.device)
        return answers

    def _ask(self, shape: _Shape, requests: Sequence[Request]) -> Answers:
        if shape.each is None and len(requests) == 1:
            answers, shape.each = taken(lambda: self.model.predict(requests), self.model.device)
            return answers
        return self.model.predict(requests)

    def _tried(self, shape: _Shape, requests: Sequence[Request]) -> Answers:
        """Answers in calls of sizes that have passed, compared with those of one call."""
        size = len(requests)
        # Of a CPU only what this thread gets of it counts: it has other things to do, too.
        clock = time.thread_time if self.model.device.type == "cpu" else time.perf_counter
        started = clock()
        answers = _finished(self._asked(shape, requests), self.model.device)
        between = clock()
        together = self._together(shape, requests)
        took = clock() - between
        if together is None:
            return answers
        shape.times.append((between - started, took))
        if not _same(answers, together):
            shape.closed = True
            self._failed += size == 2
        elif len(shape.times) == _TRIALS:
            self._judge(shape, size)
        return answers

    def _together(self, shape: _Shape, requests: Sequence[Request]) -> Answers | None:
        """Answers of one call; None where there is no memory for it."""
        try:
            return _finished(self.model.predict(requests), self.model.device)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            shape.closed = True
        give_back(self.model.device)
        return None

    def _judge(self, shape: _Shape, size: int) -> None:
        """Takes a size that gave the same bits, if it was wanted or is faster."""
        before, now = (min(times) for times in zip(*shape.times, strict=True))
        shape.times.clear()
        if shape.closed:  # memory failed meanwhile
            return
        if self.most is not None or now < _GAIN * before:
            shape.sizes.append(size)
            return
        shape.closed = True
        if size == 2:
            self._least_useless = min(self._least_useless, shape.area)


class Filled(Shared):
    """A model that is always asked `size` requests in a call, which is filled up with copies.

    For devices that sum in another order for each size, where `Shared` has nothing to share: what
    an edit gets depends on `size`, and on nothing else. That it does not depend on who shares a
    call is seen, too: the first and the last answer of the first calls at a shape are compared with
    those that copies of themselves get, and where they differ, no call is shared.
    """

    def __init__(self, model: Model, size: int) -> None:
        super().__init__(model, size)
        self._count = size

    def _full(self, key: Key) -> int:
        del key
        return self._count

    def _size(self, shape: _Shape, count: int) -> int:
        return 1 if shape.closed else min(count, self._count)

    def _answers(self, shape: _Shape, requests: Sequence[Request]) -> Answers:
        if len(requests) == 1:
            return [self._by_itself(requests[0])]
        answers = self._filled(requests)
        if len(shape.times) < _TRIALS:
            shape.times.append((0, 0))
            ends = [self._by_itself(request) for request in (requests[0], requests[-1])]
            if not _same(ends, [answers[0], answers[-1]]):
                shape.closed = True
                return [self._by_itself(request) for request in requests]
        return answers

    def _by_itself(self, request: Request) -> Sequence[State]:
        return self._filled([request])[0]

    def _filled(self, requests: Sequence[Request]) -> Answers:
        """Answers to requests, the last of them asked as often as it takes."""
        copies = [requests[-1]] * (self._count - len(requests))
        try:
            return self.model.predict([*requests, *copies])[: len(requests)]
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            device = self.model.device
            message = f"{device} is out of memory: give a smaller --batch-size than {self._count}"
            raise DeviceError(message) from error


def _key(request: Request) -> Key:
    """What must be the same of requests in one call, and what decides how it is computed."""
    x = request.x
    rows = len(x) * len(request.branches)
    return tuple(x.shape[1:]), rows, request.conditions.signature(), x.dtype


def _settle(future: "Future[Any]", errand: Callable[[], Any]) -> None:
    try:
        future.set_result(errand())
    except BaseException as error:  # noqa: BLE001 - it is of whoever sent it
        future.set_exception(error)


def _finished(answers: Answers, device: torch.device) -> Answers:
    """The answers, all of their work being done: so that their time is that of the work."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return answers


def _same(some: Answers, others: Answers) -> bool:
    """Whether answers are the same in every bit."""
    return all(
        torch.equal(one, other)
        for answer, answered in zip(some, others, strict=True)
        for one, other in zip(answer, answered, strict=True)
    )


class _Walker:
    """A shared model as one edit sees it: a `Model`."""

    def __init__(self, shared: Shared) -> None:
        self._shared, self._model = shared, shared.model

    @property
    def name(self) -> str:
        return self._model.name

    @property
    def settings(self) -> Settings:
        return self._model.settings

    @property
    def weights(self) -> str:
        return self._model.weights

    @property
    def capabilities(self) -> Capabilities:
        return self._model.capabilities

    @property
    def latent_cell(self) -> int:
        return self._model.latent_cell

    @property
    def multiple(self) -> int:
        return self._model.multiple

    @property
    def device(self) -> torch.device:
        return self._model.device

    def encode(self, pixels: Pixels, noise: Latents) -> Latents:
        return self._shared.sent(self, lambda: self._model.encode(pixels, noise))

    def decode(self, latents: Latents) -> Pixels:
        return self._shared.sent(self, lambda: self._model.decode(latents))

    def latent_shape(self, size: Size, batch: int = 1) -> tuple[int, int, int, int]:
        return self._model.latent_shape(size, batch)

    def schedule(self, solver: str, steps: int, size: Size) -> tuple[Schedule, Solver]:
        return self._model.schedule(solver, steps, size)

    def guide(self, text: Text, wanted: Cfg) -> Guide:
        return self._model.guide(text, wanted)

    def embed(self, text: str) -> TextEmbedding:
        return self._shared.sent(self, lambda: self._model.embed(text))

    def check(self, conditions: Conditions, branches: Iterable[Branch]) -> None:
        branches = tuple(branches)
        self._shared.sent(self, lambda: self._model.check(conditions, branches))

    def predict(self, requests: Sequence[Request]) -> Answers:
        return [self._shared.asked(self, request) for request in requests]

    def truncated_prompt(self, prompt: str) -> str:
        return self._model.truncated_prompt(prompt)

    def unknown_words(self, prompt: str) -> list[str]:
        return self._model.unknown_words(prompt)
