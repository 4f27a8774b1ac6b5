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
        place: `module:Class.function` or `module:function`.
        during: The operations that come by.
        whens: At which of its borders; `inside` is the end of a context manager's block.
    """

    name: str
    place: str
    during: tuple[str, ...]
    whens: tuple[When, ...] = ("before", "after")

    @property
    def is_at_start(self) -> bool:
        """Whether a process comes by when it opens a data folder that lost an index."""
        return self.during[0].startswith("reopen")


WRITES = ("add", "replace")
STEPS = (
    Step("store an original", "retrieval.originals:Originals.put", WRITES),
    Step("keep vectors", "retrieval.catalog.vectors:VectorTable.put_vectors", WRITES),
    Step("build versions", "retrieval.catalog.versions:VersionTable.build_versions", WRITES),
    Step("add keywords", "retrieval.keyword.index:TantivyIndex.adding", WRITES, ("before", "inside", "after")),
    Step("commit keywords", "retrieval.beside:Beside.wait", (*WRITES, "delete"), ("before", "after")),
    Step("add vectors", "retrieval.chroma:ChromaStore.add", WRITES),
    Step("one call of Chroma", "chromadb.api.models.Collection:Collection.add", WRITES),
    Step("restore vectors", "retrieval.chroma:ChromaStore.upsert", ("lose_vectors",)),
    Step("one restoring call of Chroma", "chromadb.api.models.Collection:Collection.upsert", ("lose_vectors",)),
    Step("publish", "retrieval.catalog.versions:VersionTable.publish", WRITES),
    Step("retire", "retrieval.catalog.versions:VersionTable.retire_documents", ("delete",)),
    Step("take out keywords", "retrieval.keyword.index:TantivyIndex.delete", ("replace", "delete")),
    Step("take out vectors", "retrieval.chroma:ChromaStore.delete", ("replace", "delete")),
    Step("forget versions", "retrieval.catalog.versions:VersionTable.forget_versions", ("replace", "delete")),
    Step("remove originals", "retrieval.originals:Originals.remove_unused", ("replace", "delete")),
    Step("commit", "retrieval.catalog.database:Database.write", (*WRITES, "delete"), ("inside", "after")),
    Step("create a collection", "retrieval.catalog.collections:CollectionTable.create_collection", ("add", "drop")),
    Step("remove a collection", "retrieval.catalog.collections:CollectionTable.remove_collection", ("drop",)),
    Step("drop keywords", "retrieval.keyword.index:TantivyIndex.drop", ("drop", "lose_keywords")),
    Step("drop vectors", "retrieval.chroma:ChromaStore.drop", ("drop", "lose_vectors")),
    Step("restore keywords", "retrieval.doctor:_restore_keyword", ("lose_keywords",)),
    Step("mend at the start", "retrieval.data_folder:check_indexes", ("reopen_without_keywords",)),
    Step("tidy at the start", "retrieval.data_folder:tidy", ("reopen_without_vectors",)),
    Step("sweep originals at the start", "retrieval.originals:Originals.sweep", ("reopen_without_vectors",)),
)


def arm(step: Step, when: When, nth: int) -> None:
    """Make this process die at the n-th time that it comes by a border."""
    module_name, _, path = step.place.partition(":")
    owner: Any = import_module(module_name)
    *parents, name = path.split(".")
    for parent in parents:
        owner = getattr(owner, parent)
    found = getattr(owner, name)
    tick = _countdown(nth)
    setattr(owner, name, (_context if "inside" in step.whens else _function)(found, when, tick))


def die() -> None:
    """End this process as the kernel would: at once, with nothing closed."""
    os.kill(os.getpid(), signal.SIGKILL)


def _countdown(nth: int) -> Callable[[], None]:
    left = [nth]

    def tick() -> None:
        left[0] -= 1
        if left[0] == 0:
            die()

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
