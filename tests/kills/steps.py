"""Where a process can be killed: at a function's border, from outside, the product's code being as it is."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

When = Literal["before", "inside", "after"]


@dataclass(frozen=True, slots=True)
class Step:
    """A function at whose border a process is killed.

    Args:
        name: What it does, for people.
        place: `module:Class.function` or `module:function`; several, where it depends on where Chroma is.
        during: The operations that come by.
        whens: At which of its borders; `inside` is the end of a context manager's block.
    """

    name: str
    place: str | tuple[str, ...]
    during: tuple[str, ...]
    whens: tuple[When, ...] = ("before", "after")

    @property
    def is_chroma_s(self) -> bool:
        """Whether Chroma itself comes by, in a process of its own where it is embedded."""
        return isinstance(self.place, str) and self.place.startswith("chromadb.")

    @property
    def is_at_start(self) -> bool:
        """Whether a process comes by when it opens a data folder that lost an index."""
        return self.during[0].startswith("reopen")


def _stores(function: str) -> tuple[str, ...]:
    return f"retrieval.chroma:ChromaStore.{function}", f"retrieval.chroma_process.store:ChromaProcessStore.{function}"


WRITES = ("add", "replace")
STEPS = (
    Step("store an original", "retrieval.originals:Originals.put", WRITES),
    Step("keep vectors", "retrieval.catalog.vectors:VectorTable.put_vectors", WRITES),
    Step("build versions", "retrieval.catalog.versions:VersionTable.build_versions", WRITES),
    Step("add keywords", "retrieval.keyword.index:TantivyIndex.adding", WRITES, ("before", "inside", "after")),
    Step("commit keywords", "retrieval.beside:Beside.wait", (*WRITES, "delete"), ("before", "after")),
    Step("add vectors", _stores("add"), WRITES),
    Step("one call of Chroma", "chromadb.api.models.Collection:Collection.add", WRITES),
    Step("restore vectors", _stores("upsert"), ("lose_vectors",)),
    Step("one restoring call of Chroma", "chromadb.api.models.Collection:Collection.upsert", ("lose_vectors",)),
    Step("publish", "retrieval.catalog.versions:VersionTable.publish", WRITES),
    Step("retire", "retrieval.catalog.versions:VersionTable.retire_documents", ("delete",)),
    Step("take out keywords", "retrieval.keyword.index:TantivyIndex.delete", ("replace", "delete")),
    Step("take out vectors", _stores("delete"), ("replace", "delete")),
    Step("one deleting call of Chroma", "chromadb.api.models.Collection:Collection.delete", ("replace", "delete")),
    Step("forget versions", "retrieval.catalog.versions:VersionTable.forget_versions", ("replace", "delete")),
    Step("remove originals", "retrieval.originals:Originals.remove_unused", ("replace", "delete")),
    Step("commit", "retrieval.catalog.database:Database.write", (*WRITES, "delete"), ("inside", "after")),
    Step("create a collection", "retrieval.catalog.collections:CollectionTable.create_collection", ("add", "drop")),
    Step("remove a collection", "retrieval.catalog.collections:CollectionTable.remove_collection", ("drop",)),
    Step("drop keywords", "retrieval.keyword.index:TantivyIndex.drop", ("drop", "lose_keywords")),
    Step("drop vectors", _stores("drop"), ("drop", "lose_vectors")),
    Step("restore keywords", "retrieval.doctor:_restore_keyword", ("lose_keywords",)),
    Step("mend at the start", "retrieval.data_folder:check_indexes", ("reopen_without_keywords",)),
    Step("tidy at the start", "retrieval.data_folder:tidy", ("reopen_without_vectors",)),
    Step("sweep originals at the start", "retrieval.originals:Originals.sweep", ("reopen_without_vectors",)),
)


def die() -> None:
    """End this process as the kernel would: at once, with nothing closed."""
    os.kill(os.getpid(), signal.SIGKILL)


def arm(step: Step, when: When, nth: int, kill: Callable[[], object] = die) -> None:
    """Make this process die, or do something else, at the n-th time that it comes by a border."""
    tick = _countdown(nth, kill)
    for place in (step.place,) if isinstance(step.place, str) else step.place:
        _arm(place, step, when, tick)


def _arm(place: str, step: Step, when: When, tick: Callable[[], None]) -> None:
    module_name, _, path = place.partition(":")
    owner: Any = import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    found = getattr(owner, name)
    setattr(owner, name, (_context if "inside" in step.whens else _function)(found, when, tick))


def _countdown(nth: int, kill: Callable[[], object]) -> Callable[[], None]:
    left = [nth]

    def tick() -> None:
        left[0] -= 1
        if left[0] == 0:
            kill()

    return tick


def _function(found: Any, when: When, tick: Callable[[], None]) -> Any:
    @functools.wraps(found)
    def called(*args: Any, **kwargs: Any) -> Any:
        if when == "before":
            tick()
        result = found(*args, **kwargs)
        if when == "after":
            tick()
        return result

    return called


def _context(found: Any, when: When, tick: Callable[[], None]) -> Any:
    @functools.wraps(found)
    @contextmanager
    def entered(*args: Any, **kwargs: Any) -> Iterator[Any]:
        if when == "before":
            tick()
        with found(*args, **kwargs) as value:
            yield value
            if when == "inside":
                tick()
        if when == "after":
            tick()

    return entered
