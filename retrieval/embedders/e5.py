"""`e5`: multilingual-e5-small on the CPU, from weights that a package brings; no model hub, no torch.

Each text is a batch of its own. Batches of several would pad, and dynamic int8 takes one scale for a whole batch, so
that a text's vector would depend on its neighbours. Texts run side by side on threads instead, which is faster too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from retrieval.embedders.base import BaseEmbedder
from retrieval.embedders.e5_model import INPUT, build_model
from retrieval.embedders.e5_tokenizer import Tokenizer
from retrieval.embedders.e5_weights import BLOCK_WEIGHTS, Floats, WeightsFile, dequantize, find_weights
from retrieval.protocols import Vectors

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

QUESTION_PREFIX = "query: "
PASSAGE_PREFIX = "passage: "
_MOST_SESSION_THREADS = 4  # a question of 20 tokens has no work for more


def create(argument: str, *, base_url: str | None, api_key: str | None) -> E5Embedder:
    """Build the embedder for `load_embedder`; it takes none of the arguments."""
    return E5Embedder()


class E5Embedder(BaseEmbedder):
    """Multilingual-e5-small, int8, 384 dimensions. The model is built on first use, in about 0.5 s.

    A text's vector is the same alone, in any batch and on any number of threads. Text beyond 512 tokens (about 850
    Chinese characters) is not seen. onnxruntime releases the GIL; about one per cent of the time, tokenizing, holds it.

    Args:
        weights: `e5-small-q4.bin`; None for the installed one.
        threads: Texts embedded at once; None for one a processor that this process may use.

    Raises:
        EmbedderError: If the weights are missing or broken.
    """

    name = "e5"

    def __init__(self, weights: Path | None = None, *, threads: int | None = None) -> None:
        self._weights = WeightsFile(weights or find_weights())
        self._threads = threads or usable_processors()
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="e5")
        self._loading = threading.Lock()
        self._model: _Model | None = None
        self.dim = self._weights.sizes.hidden
        # Enough that the last texts of a batch, with fewer threads at work, do not count.
        self.batch_size = max(32, 8 * self._threads)

    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; returns (len(texts), dim) float32, unit length. Safe to call from several threads."""
        model = self._loaded()
        vectors: Vectors = np.empty((len(texts), self.dim), dtype=np.float32)

        def embed(index: int) -> None:
            vectors[index] = model.embed(PASSAGE_PREFIX + texts[index])

        # Longest first, so that threads end together.
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        if len(order) == 1 or self._threads == 1:
            for index in order:
                embed(index)
        else:
            for _ in self._pool.map(embed, order):
                pass
        return vectors

    def embed_question(self, text: str) -> Vectors:
        """Embed one question; returns (dim,) float32, unit length. It does not wait behind a batch."""
        return self._loaded().embed(QUESTION_PREFIX + text)

    @property
    def session(self) -> InferenceSession:
        """The encoder alone; for measurements."""
        return self._loaded().session

    def inputs(self, text: str) -> Floats:
        """Return what the encoder gets for a text, (1, n_tokens, dim) float32; for measurements."""
        return self._loaded().inputs(text)

    def _loaded(self) -> _Model:
        if self._model is None:
            with self._loading:
                if self._model is None:
                    self._model = _Model(self._weights, session_threads=min(self._threads, _MOST_SESSION_THREADS))
        return self._model


class _Model:
    """Tokenizer, word embeddings (4-bit rows, left in the weights' file) and encoder."""

    def __init__(self, weights: WeightsFile, *, session_threads: int) -> None:
        sizes = weights.sizes
        self._tokenizer = Tokenizer(weights.vocabulary())
        self._words = weights.blocks("emb.word").reshape(sizes.vocabulary, sizes.hidden // BLOCK_WEIGHTS, -1)
        token_type = weights.floats("emb.type")[: sizes.hidden]
        self._places: Floats = weights.floats("emb.pos").reshape(sizes.positions, sizes.hidden) + token_type
        self.session = open_session(build_model(weights), threads=session_threads)

    def embed(self, text: str) -> Vectors:
        (means,) = self.session.run(None, {INPUT: self.inputs(text)})
        vector: Vectors = means[0]
        return vector / np.linalg.norm(vector)

    def inputs(self, text: str) -> Floats:
        ids = self._tokenizer.encode(text, max_tokens=len(self._places))
        rows = dequantize(self._words[ids]).reshape(len(ids), -1)
        rows += self._places[: len(ids)]
        return rows[np.newaxis]


def open_session(model: bytes, *, threads: int) -> InferenceSession:
    """Open a model on the CPU. Idle threads sleep rather than spin: the service has other work for the processors."""
    from onnxruntime import GraphOptimizationLevel, InferenceSession, SessionOptions

    options = SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Higher levels would fuse residual sums into their layer norms (see e5_model).
    options.graph_optimization_level = GraphOptimizationLevel.ORT_ENABLE_BASIC
    return InferenceSession(model, options, providers=["CPUExecutionProvider"])


def usable_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
