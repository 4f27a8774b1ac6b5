from __future__ import annotations

import numpy as np
import pytest

from retrieval.embedders.onnx_file import MICROSOFT, Graph

ort = pytest.importorskip("onnxruntime")


def run(graph: Graph, **inputs: np.ndarray) -> list[np.ndarray]:
    session = ort.InferenceSession(graph.model(opset=17), providers=["CPUExecutionProvider"])
    outputs: list[np.ndarray] = session.run(None, inputs)
    return outputs


def test_model_computes_when_it_has_constants_and_a_varying_dimension() -> None:
    graph = Graph("test")
    x = graph.input("x", "float32", ("n", 2))
    w = graph.constant("w", np.float32([[1, 2, 3], [4, 5, 6]]))
    graph.node("MatMul", [x, w], output="y")
    graph.output("y", "float32", ("n", 3))
    for n in (1, 300):
        rows = np.arange(2 * n, dtype=np.float32).reshape(n, 2)
        np.testing.assert_allclose(run(graph, x=rows)[0], rows @ np.float32([[1, 2, 3], [4, 5, 6]]))


def test_attributes_reach_the_node_when_of_each_kind() -> None:
    graph = Graph("test")
    x = graph.input("x", "float32", (2, 3))
    mean = graph.node("ReduceMean", [x], attributes={"axes": [-1], "keepdims": 0})
    leaky = graph.node("LeakyRelu", [mean], attributes={"alpha": 0.5})
    graph.node("Cast", [leaky], output="y", attributes={"to": 1})
    graph.output("y", "float32", (2,))
    x_value = np.float32([[1, 2, 3], [-1, -2, -3]])
    assert run(graph, x=x_value)[0].tolist() == [2, -1]


def test_further_outputs_are_numbered_when_a_node_has_several() -> None:
    graph = Graph("test")
    x = graph.input("x", "float32", (4,))
    sizes = graph.constant("sizes", np.array([1, 3], np.int64))
    first = graph.node("Split", [x, sizes], n_outputs=2, attributes={"axis": 0})
    graph.node("Neg", [f"{first}.1"], output="y")
    graph.output("y", "float32", (3,))
    assert run(graph, x=np.float32([1, 2, 3, 4]))[0].tolist() == [-2, -3, -4]


def test_contributed_operators_run_when_named_by_domain() -> None:
    graph = Graph("test")
    x = graph.input("x", "float32", ("n",))
    graph.node("FastGelu", [x], output="y", domain=MICROSOFT)
    graph.output("y", "float32", ("n",))
    np.testing.assert_allclose(run(graph, x=np.float32([0, 1, -1]))[0], [0, 0.8412, -0.1588], atol=1e-3)
