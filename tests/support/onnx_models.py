"""Small ONNX graphs for tests."""

from __future__ import annotations

from onnx import TensorProto, helper


def sigmoid_of_sum(columns: int = 2) -> bytes:
    """Return a graph whose score is the sigmoid of the sum of its inputs; 1 from 0.5 on."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axis"], ["sum"], keepdims=0),
        helper.make_node("Sigmoid", ["sum"], ["score"]),
        helper.make_node("GreaterOrEqual", ["score", "half"], ["above"]),
        helper.make_node("Cast", ["above"], ["label"], to=TensorProto.INT64),
    ]
    constants = [
        helper.make_tensor("axis", TensorProto.INT64, [1], [1]),
        helper.make_tensor("half", TensorProto.FLOAT, [], [0.5]),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", columns])],
        [helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
         helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"])],
        constants,
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return model.SerializeToString()
