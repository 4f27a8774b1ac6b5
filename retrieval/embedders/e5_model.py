"""Builds the int8 ONNX model of multilingual-e5-small from its weights, in a tenth of a second.

Every choice below was measured (docs/embedders.md): weights are int8 per output channel, activations are quantised as
they come (`DynamicQuantizeMatMul`), query, key and value share one matrix, and residual sums stay apart from their
layer norms, because onnxruntime's fused kernel for the two is seven times slower than the two alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retrieval.embedders.e5_weights import Floats, ModelSizes, WeightsFile
from retrieval.embedders.onnx_file import MICROSOFT, Graph

OPSET = 17
INPUT, OUTPUT = "embeddings", "mean"

# Seven bits: processors without VNNI add two products of 8 bits into 16, which overflow with weights above 64.
_LARGEST_WEIGHT = 63


def build_model(weights: WeightsFile) -> bytes:
    """Return the model as an ONNX file.

    Its input is (1, n_tokens, hidden) float32: word, position and type embeddings, added up. Its output is the mean
    over the tokens, (1, hidden) float32, not yet of unit length.
    """
    return _Encoder(weights).build()


class _Encoder:
    def __init__(self, weights: WeightsFile) -> None:
        self.weights = weights
        self.sizes: ModelSizes = weights.sizes
        self.graph = Graph("e5")

    def build(self) -> bytes:
        hidden = self.sizes.hidden
        self.graph.constant("thirds", np.full(3, hidden, np.int64))
        x = self.graph.input(INPUT, "float32", (1, "n_tokens", hidden))
        x = self._norm(x, "emb.ln")
        for layer in range(self.sizes.layers):
            x = self._layer(x, f"l{layer}")
        self.graph.node("ReduceMean", [x], output=OUTPUT, attributes={"axes": [1], "keepdims": 0})
        self.graph.output(OUTPUT, "float32", (1, hidden))
        return self.graph.model(opset=OPSET)

    def _layer(self, x: str, name: str) -> str:
        attended = self._linear(self._attention(x, name), [f"{name}.ao"], self.sizes.hidden)
        x = self._norm(self.graph.node("Add", [attended, x]), f"{name}.aln")
        inner = self._linear(x, [f"{name}.fi"], self.sizes.feed_forward)
        inner = self.graph.node("FastGelu", [inner], domain=MICROSOFT)
        outer = self._linear(inner, [f"{name}.fo"], self.sizes.hidden)
        return self._norm(self.graph.node("Add", [outer, x]), f"{name}.oln")

    def _attention(self, x: str, name: str) -> str:
        joined = self._linear(x, [f"{name}.{part}" for part in "qkv"], self.sizes.hidden)
        query = self.graph.node("Split", [joined, "thirds"], n_outputs=3, attributes={"axis": -1})
        return self.graph.node(
            "MultiHeadAttention",
            [query, f"{query}.1", f"{query}.2"],
            domain=MICROSOFT,
            attributes={"num_heads": self.sizes.heads},
        )

    def _linear(self, x: str, names: Sequence[str], rows: int) -> str:
        """Multiply by several matrices of `rows` outputs each, side by side, and add their biases."""
        matrix = np.concatenate([self.weights.matrix(f"{name}.w", rows) for name in names])
        bias = np.concatenate([self.weights.floats(f"{name}.b") for name in names])
        scales = np.abs(matrix).max(axis=1, keepdims=True) / np.float32(_LARGEST_WEIGHT)
        quantized = _quantize(matrix, scales)
        name = "+".join(names)
        inputs = [
            x,
            self.graph.constant(f"{name}.w", quantized.T),
            self.graph.constant(f"{name}.scale", scales[:, 0]),
            self.graph.constant(f"{name}.zero", np.zeros(len(bias), np.int8)),
            self.graph.constant(f"{name}.b", bias),
        ]
        return self.graph.node("DynamicQuantizeMatMul", inputs, domain=MICROSOFT)

    def _norm(self, x: str, name: str) -> str:
        scale = self.graph.constant(f"{name}.w", self.weights.floats(f"{name}.w"))
        shift = self.graph.constant(f"{name}.b", self.weights.floats(f"{name}.b"))
        return self.graph.node(
            "LayerNormalization", [x, scale, shift], attributes={"axis": -1, "epsilon": self.sizes.epsilon}
        )


def _quantize(matrix: Floats, scales: Floats) -> np.ndarray[tuple[int, ...], np.dtype[np.int8]]:
    # A row of zeros has scale 0 and stays zeros.
    levels = np.divide(matrix, scales, out=np.zeros_like(matrix), where=scales > 0)
    return np.rint(levels).astype(np.int8)
