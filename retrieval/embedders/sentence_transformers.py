"""`sentence-transformers:NAME_OR_PATH`: any model in that package's form, on the CPU (extra `local-models`)."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from sentence_transformers import SentenceTransformer

from retrieval.embedders.base import BaseEmbedder
from retrieval.errors import EmbedderError, Message
from retrieval.protocols import Vectors


def create(argument: str, *, base_url: str | None, api_key: str | None) -> SentenceTransformersEmbedder:
    """Build the embedder for `load_embedder`; models are kept where sentence-transformers itself keeps them."""
    return SentenceTransformersEmbedder(argument)


class SentenceTransformersEmbedder(BaseEmbedder):
    """A sentence-transformers model; the prompts for questions and passages are those of the model's own config.

    Args:
        model: Folder, or name on a model hub; loaded at once, since only the model knows its dimension.
        device: Where torch runs it.
        batch_size: Texts for one forward pass.

    Raises:
        EmbedderError: If there is no such model, or it cannot be loaded.
    """

    def __init__(self, model: str, *, device: str = "cpu", batch_size: int = 32) -> None:
        self.name = f"sentence-transformers:{model}"
        self.batch_size = batch_size
        # Its tokenizer changes its own padding while it works: one call at a time.
        self._lock = threading.Lock()
        try:
            self._model = SentenceTransformer(model, device=device)
        except (OSError, ValueError, KeyError) as exc:
            raise EmbedderError(
                Message(f"Model {model!r} cannot be loaded: {exc}", f"模型 {model!r} 无法加载：{exc}"),
                hint=Message(
                    "Give a folder that holds a sentence-transformers model, or a name that the model hub knows.",
                    "请给出存有 sentence-transformers 模型的文件夹，或模型站上存在的名称。",
                ),
            ) from exc
        self.dim = int(self.embed_question("").shape[0])

    def embed_batch(self, texts: Sequence[str]) -> Vectors:
        """Embed passages; returns (len(texts), dim) float32, unit length. Several threads take turns."""
        if not texts:
            return np.empty((0, self.dim), dtype=np.float32)
        with self._lock:
            vectors = self._model.encode_document(
                list(texts), batch_size=self.batch_size, normalize_embeddings=True, show_progress_bar=False
            )
        return np.asarray(vectors, dtype=np.float32)

    def embed_question(self, text: str) -> Vectors:
        """Embed one question; returns (dim,) float32, unit length. It waits for a batch at work."""
        with self._lock:
            vector = self._model.encode_query(text, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vector, dtype=np.float32)
