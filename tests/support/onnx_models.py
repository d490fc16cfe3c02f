"""Small ONNX graphs for tests: their process starts in a tenth of scikit-learn's time."""

from __future__ import annotations

import numpy as np
from onnx import NodeProto, TensorProto, helper


def sigmoid_of_sum(columns: int = 2) -> bytes:
    """Return a graph whose score is the sigmoid of the sum of its inputs; 1 from 0.5 on."""
    return logistic(np.ones(columns), 0.0)


def logistic(weights: np.ndarray, bias: float) -> bytes:
    """Return a graph whose score is the sigmoid of a weighted sum; the label is 1 from 0.5 on.

    Args:
        weights: [features].
        bias: added to the sum.
    """
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node("Sigmoid", ["sum"], ["score"]),
        helper.make_node("GreaterOrEqual", ["score", "half"], ["above"]),
        helper.make_node("Cast", ["above"], ["label"], to=TensorProto.INT64),
    ]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [len(weights)], np.asarray(weights, np.float32)),
        helper.make_tensor("b", TensorProto.FLOAT, [], [bias]),
        helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
    ]
    made = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]),
    ]
    return _model(nodes, constants, len(weights), made)


def linear(weights: np.ndarray, bias: np.ndarray) -> bytes:
    """Return a graph of weighted sums: one number a row, or a softmax over several.

    Args:
        weights: [outputs, features].
        bias: [outputs].
    """
    outputs, features = weights.shape
    last = (
        helper.make_node("Softmax", ["sum"], ["score"], axis=1)
        if outputs > 1
        else helper.make_node("Squeeze", ["sum", "axis"], ["score"])
    )
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        last,
    ]
    constants = [
        helper.make_tensor("w", TensorProto.FLOAT, [features, outputs], np.asarray(weights.T, np.float32).ravel()),
        helper.make_tensor("b", TensorProto.FLOAT, [outputs], np.asarray(bias, np.float32)),
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
    ]
    shape = ["n", outputs] if outputs > 1 else ["n"]
    return _model(nodes, constants, features, [helper.make_tensor_value_info("score", TensorProto.FLOAT, shape)])


def _model(nodes: list[NodeProto], constants: list[TensorProto], features: int, made: list[object]) -> bytes:
    given = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", features])]
    graph = helper.make_graph(nodes, "g", given, made, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()
