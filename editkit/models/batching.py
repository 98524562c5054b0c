"""One model for several edits at once: calls of the network that they share.

An edit runs as it does alone: its own sampler, its own draws, its own constraints, on its own
state. Edits that run side by side ask a `BatchedModel`, and a `FixedBatcher` puts their requests
about states of one shape into one call, whatever photo, prompt or level they are of.

A device may sum in another order for another number of states. So each call has the same number of
requests, and one that is not full is filled up with copies: an answer depends on that number, and
not on who shares the call. The first calls at a shape are checked for that.
"""

from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import Any, TypeVar, cast

import torch

from editkit.diffusion.guides import Branch
from editkit.errors import DeviceError, is_out_of_memory
from editkit.models.base import Model, Request
from editkit.models.conditions import Conditions, TextEmbedding
from editkit.models.threads import compute_alone
from editkit.tensors import Latents, Pixels, State

_CHECKS = 2
"""Calls at a shape that are compared with calls of copies of one request."""

Key = tuple[Any, ...]
Answers = list[Sequence[State]]
R = TypeVar("R")


class StoppedError(Exception):
    """Raised to edits that still ask when the run is cancelled."""


@dataclass(eq=False)
class _Pending:
    """A request that waits for its call."""

    key: Key
    request: Request
    answer: "Future[Sequence[State]]" = field(default_factory=Future[Sequence[State]])


class FixedBatcher:
    """A model that several edits ask at once, `size` requests a call.

    One thread runs the networks, so that a device has one thing to do at a time.

    Attributes:
        model: the model.
        size: requests in each call; 1 shares none.
    """

    def __init__(self, model: Model, size: int = 1) -> None:
        self.model, self.size = model, size
        self._lock = Lock()
        self._thread = ThreadPoolExecutor(1, "model")
        self._pending = list[_Pending]()
        self._active = dict[object, Key]()
        self._checks = Counter[Key]()
        self._unshared = set[Key]()
        self._closed = False

    def close(self) -> None:
        """Ends the thread; edits that still ask get `StoppedError`."""
        with self._lock:
            self._closed = True
            pending, self._pending = self._pending, []
        for waiting in pending:
            waiting.answer.set_exception(StoppedError())
        self._thread.shutdown(cancel_futures=True)

    @contextmanager
    def edit(self) -> Generator[Model]:
        """Yields the model for one edit, which shares calls with the others."""
        batched = BatchedModel(self)
        try:
            yield cast("Model", batched)
        finally:
            self._release(batched)

    def submit(self, edit: object, request: Request) -> Sequence[State]:
        """Returns the answer to an edit's request, once its call is made.

        Raises:
            StoppedError: the run is cancelled.
        """
        pending = _Pending(_key(request), request)
        with self._lock:
            self._check_open()
            self._active[edit] = pending.key
            self._pending.append(pending)
            self._thread.submit(self._serve)
        return pending.answer.result()

    def run_on_worker(self, edit: object, job: Callable[[], R]) -> R:
        """Returns what an edit's job returns, computed by the model's thread.

        Raises:
            StoppedError: the run is cancelled.
        """
        with self._lock:
            self._check_open()
            self._active.pop(edit, None)  # no call waits for it meanwhile
            future = self._thread.submit(job)
            self._thread.submit(self._serve)
        return future.result()

    def _release(self, edit: object) -> None:
        """Lets calls go on without an edit, which has ended."""
        with self._lock:
            if self._active.pop(edit, None) is not None and not self._closed:
                self._thread.submit(self._serve)

    def _check_open(self) -> None:
        if self._closed:
            raise StoppedError

    def _serve(self) -> None:
        """Makes the call that is due; another may be due by then."""
        with self._lock:
            group = self._take_due()
        if not group:
            return
        self._answer(group)
        with self._lock:
            if not self._closed:
                self._thread.submit(self._serve)

    def _take_due(self) -> list[_Pending]:
        """Returns the requests of a call that is full, or waits for nobody; the oldest first."""
        for key in dict.fromkeys(pending.key for pending in self._pending):
            full = 1 if key in self._unshared else self.size
            group = [pending for pending in self._pending if pending.key == key][:full]
            if len(group) >= min(full, sum(other == key for other in self._active.values())):
                self._pending = [pending for pending in self._pending if pending not in group]
                return group
        return []

    def _answer(self, group: Sequence[_Pending]) -> None:
        """Answers requests in one call; where it fails, each in one of its own."""
        try:
            answers = self._predict(group[0].key, [pending.request for pending in group])
        except Exception as error:  # noqa: BLE001 - it belongs to the edit that asked
            if len(group) == 1:
                group[0].answer.set_exception(error)
            else:
                for pending in group:
                    self._answer([pending])
            return
        for pending, answer in zip(group, answers, strict=True):
            pending.answer.set_result(answer)

    def _predict(self, key: Key, requests: Sequence[Request]) -> Answers:
        """Answers that do not depend on who shares the call."""
        answers = self._predict_filled(requests)
        if len(requests) == 1 or self._checks[key] == _CHECKS:
            return answers
        self._checks[key] += 1
        ends = [self._predict_filled([request])[0] for request in (requests[0], requests[-1])]
        if _is_same(ends, [answers[0], answers[-1]]):
            return answers
        self._unshared.add(key)
        return [self._predict_filled([request])[0] for request in requests]

    def _predict_filled(self, requests: Sequence[Request]) -> Answers:
        """Answers of one call of `size` requests, the last of them repeated."""
        copies = [requests[-1]] * (self.size - len(requests))
        try:
            return self.model.predict([*requests, *copies])[: len(requests)]
        except Exception as error:
            if self.size == 1 or not is_out_of_memory(error):
                raise
            device = self.model.device
            message = f"{device} is out of memory: give a smaller --batch-size than {self.size}"
            raise DeviceError(message) from error


class BatchedModel:
    """A `Model` for one of several edits: its networks run in the thread of a `FixedBatcher`."""

    def __init__(self, batcher: FixedBatcher) -> None:
        self._batcher, self._model = batcher, batcher.model

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - everything else is the model's own
        return getattr(self._model, name)

    def encode(self, pixels: Pixels, noise: Latents) -> Latents:
        """As the model's own."""
        return self._batcher.run_on_worker(self, lambda: self._model.encode(pixels, noise))

    def decode(self, latents: Latents) -> Pixels:
        """As the model's own."""
        return self._batcher.run_on_worker(self, lambda: self._model.decode(latents))

    def embed(self, text: str) -> TextEmbedding:
        """As the model's own."""
        return self._batcher.run_on_worker(self, lambda: self._model.embed(text))

    def check(self, conditions: Conditions, branches: Iterable[Branch]) -> None:
        """As the model's own."""
        self._batcher.run_on_worker(self, lambda: self._model.check(conditions, branches))

    def predict(self, requests: Sequence[Request]) -> Answers:
        """As the model's own, in shared calls."""
        return [self._batcher.submit(self, request) for request in requests]


def run_batched(model: Model, size: int, edits: Sequence[Callable[[Model], R]]) -> Iterator[R]:
    """Yields what each edit returns, in order; `size` of them at a time share calls.

    Args:
        model: the model.
        size: edits that run side by side, and requests in each call.
        edits: called with the model that they are to ask.
    """
    batcher = FixedBatcher(model, size)

    def run(edit: Callable[[Model], R]) -> R:
        compute_alone()
        with batcher.edit() as batched:
            return edit(batched)

    with ThreadPoolExecutor(size) as threads, closing(batcher):
        for first in range(0, len(edits), size):
            yield from threads.map(run, edits[first : first + size])


def _key(request: Request) -> Key:
    """Returns what is equal for requests of one call, as it decides how they are computed."""
    x = request.x
    rows = len(x) * len(request.branches)
    return tuple(x.shape[1:]), rows, request.conditions.signature(), x.dtype


def _is_same(some: Answers, others: Answers) -> bool:
    """Tells whether answers are equal in every bit."""
    return all(
        torch.equal(one, other)
        for answer, answered in zip(some, others, strict=True)
        for one, other in zip(answer, answered, strict=True)
    )
