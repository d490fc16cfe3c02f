"""Train the demo's four candidates and write each as an ONNX folder.

Graphs are built node by node, so every file is byte-identical on repeat and holds no
code: impute, standardise, one linear layer per member, a threshold, a weighted vote.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from govern.adapters.demo_data import FEATURES, RACES, LoanData
from govern.transparency.canonical import canonical_json

OPSET = 17


@dataclass(frozen=True)
class Trained:
    """A candidate folder and what its card says."""

    name: str
    title: str
    files: dict[str, bytes]
    card: dict[str, Any]


@dataclass(frozen=True)
class _Prepared:
    median: np.ndarray
    mean: np.ndarray
    scale: np.ndarray
    train: np.ndarray
    labels: np.ndarray
    race: np.ndarray


def train_candidates(data: LoanData, progress: Callable[[str], object] = str) -> list[Trained]:
    """Train logistic, threshold-optimised, and two exponentiated-gradient candidates."""
    prepared = _prepare(data)
    progress("logistic")
    logistic = _logistic(prepared)
    progress("threshold-optimizer")
    thresholds = _threshold_optimizer(prepared, logistic)
    progress("exponentiated-gradient")
    members = _exponentiated_gradient(prepared)
    base = {"algorithm": "LogisticRegression", "seed": 0}
    reduction = {
        "algorithm": "fairlearn ExponentiatedGradient(LogisticRegression, DemographicParity)",
        "parameters": {"difference_bound": 0.02, "max_iter": 50},
        "seed": 0,
    }
    return [
        _folder("loan-logistic", "Logistic regression", prepared, [logistic], training=base),
        _folder(
            "loan-thresholds",
            "Thresholds per race (ThresholdOptimizer)",
            prepared,
            [logistic],
            thresholds=thresholds,
            training={"algorithm": "fairlearn ThresholdOptimizer(demographic_parity)", "seed": 0},
        ),
        _folder(
            "loan-reduction-random",
            "Exponentiated gradient, randomised",
            prepared,
            members,
            randomised=True,
            training=reduction,
        ),
        _folder(
            "loan-reduction",
            "Exponentiated gradient, deterministic",
            prepared,
            members,
            training=reduction,
        ),
    ]


Member = tuple[float, np.ndarray, float]  # weight, coefficients, intercept


def _prepare(data: LoanData) -> _Prepared:
    rows = data.features.to_numpy()[data.train]
    median = np.nanmedian(rows, axis=0)
    filled = np.where(np.isnan(rows), median, rows)
    mean, scale = filled.mean(axis=0), filled.std(axis=0)
    scale[scale == 0] = 1.0
    race = data.sensitive["race"].to_numpy()[data.train]
    return _Prepared(median, mean, scale, (filled - mean) / scale, data.labels[data.train], race)


def _new_logistic() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(max_iter=2000)


def _logistic(prepared: _Prepared) -> Member:
    model = _new_logistic().fit(prepared.train, prepared.labels)
    return 1.0, model.coef_[0], float(model.intercept_[0])


def _exponentiated_gradient(prepared: _Prepared) -> list[Member]:
    import warnings

    from fairlearn.reductions import DemographicParity, ExponentiatedGradient

    reduction = ExponentiatedGradient(
        _new_logistic(), DemographicParity(difference_bound=0.02), max_iter=50
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        reduction.fit(prepared.train, prepared.labels, sensitive_features=prepared.race)
    members = []
    for place, weight in reduction.weights_.items():
        if weight <= 0:
            continue
        model = reduction.predictors_[place]
        if not hasattr(model, "coef_"):  # a constant answer: all one class in its weights
            constant = float(np.asarray(model.predict(prepared.train[:1]))[0])
            members.append((float(weight), np.zeros(len(FEATURES)), 1.0 if constant else -1.0))
            continue
        members.append((float(weight), model.coef_[0], float(model.intercept_[0])))
    return members


def _threshold_optimizer(prepared: _Prepared, logistic: Member) -> dict[str, Any]:
    """Return, per race, the two thresholds and their shares (Hardt et al., 2016)."""
    import warnings

    from fairlearn.postprocessing import ThresholdOptimizer

    model = _new_logistic().fit(prepared.train, prepared.labels)
    optimizer = ThresholdOptimizer(
        estimator=model,
        constraints="demographic_parity",
        prefit=True,
        predict_method="predict_proba",
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        optimizer.fit(prepared.train, prepared.labels, sensitive_features=prepared.race)
    found = {}
    for race, rule in optimizer.interpolated_thresholder_.interpolation_dict.items():
        parts = []
        for share, operation in ((rule.p0, rule.operation0), (rule.p1, rule.operation1)):
            sign = 1.0 if operation._operator == ">" else -1.0
            parts.append((float(share), sign, float(operation._threshold)))
        found[str(race)] = parts
    return found


def _folder(
    name: str,
    title: str,
    prepared: _Prepared,
    members: list[Member],
    *,
    training: dict[str, Any],
    thresholds: dict[str, Any] | None = None,
    randomised: bool = False,
) -> Trained:
    inputs = [{"name": "x", "dtype": "float32", "columns": list(FEATURES)}]
    if thresholds:
        inputs.append({"name": "race", "dtype": "int64", "columns": ["race"]})
    card = {
        "name": name,
        "version": "1.0.0",
        "format": "onnx",
        "inputs": inputs,
        "output": {"label": "label", "score": "score"},
        "protected_inputs": ["race"] if thresholds else [],
        "randomised": randomised or thresholds is not None,
        "positive": "approve",
        "threshold": 0.5,
        "categories": {"race": list(RACES)} if thresholds else {},
        "training": training,
    }
    model = _graph(prepared, members, thresholds, randomised=bool(card["randomised"]))
    return Trained(name, title, {"model.json": canonical_json(card), "model.onnx": model}, card)


def _graph(
    prepared: _Prepared,
    members: list[Member],
    thresholds: dict[str, Any] | None,
    *,
    randomised: bool,
) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []

    def constant(name: str, value: Any, dtype: Any = np.float32) -> str:
        constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    missing = node("IsNaN", ["x"], "missing")
    filled = node("Where", [missing, constant("median", prepared.median), "x"], "filled")
    centred = node("Sub", [filled, constant("mean", prepared.mean)], "centred")
    scaled = node("Div", [centred, constant("scale", prepared.scale)], "scaled")
    weights = np.stack([coefficients for _, coefficients, _ in members], axis=1)
    logits = node(
        "Gemm",
        [
            scaled,
            constant("coefficients", weights),
            constant("intercepts", [m[2] for m in members]),
        ],
        "logits",
    )
    if thresholds:
        share = _threshold_nodes(node, constant, logits, thresholds)
    elif len(members) == 1:
        share = node("Sigmoid", [logits], "share")
    else:
        votes = node(
            "Cast", [node("Greater", [logits, constant("zero", 0.0)], "yes")], "votes", to=1
        )
        share = node("MatMul", [votes, constant("weights", [[m[0]] for m in members])], "share")
    flat = constant("flat", [-1], np.int64)
    score = node("Reshape", [share, flat], "score")
    if randomised:
        limit = node("RandomUniformLike", [score], "draw", low=0.0, high=1.0)
        nodes.append(helper.make_node("Less", [limit, score], ["above"]))
    else:
        nodes.append(helper.make_node("GreaterOrEqual", [score, constant("half", 0.5)], ["above"]))
    node("Cast", ["above"], "label", to=TensorProto.INT64)
    return _model(nodes, constants, with_race=bool(thresholds))


def _model(nodes: list[Any], constants: list[Any], *, with_race: bool) -> bytes:
    """Close the graph and return the model's bytes, equal for equal nodes."""
    from onnx import TensorProto, checker, helper

    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(FEATURES)])]
    if with_race:
        inputs.append(helper.make_tensor_value_info("race", TensorProto.INT64, ["n"]))
    outputs = [
        helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
        helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n"]),
    ]
    graph = helper.make_graph(nodes, "loan", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
    model.producer_name = "govern"
    checker.check_model(model)
    return bytes(model.SerializeToString(deterministic=True))


def _threshold_nodes(
    node: Callable[..., str], constant: Callable[..., str], logits: str, thresholds: dict[str, Any]
) -> str:
    """Share of yes per row: p0*[score op0 t0] + p1*[score op1 t1], by the row's race."""
    probability = node("Sigmoid", [logits], "probability")
    pieces = []
    for part in (0, 1):
        rows = [thresholds[race][part] for race in RACES]
        gathered = []
        for place, what in enumerate(("share", "sign", "limit")):
            finite = [float(np.clip(row[place], -1e30, 1e30)) for row in rows]
            table = constant(f"{what}{part}", [[value] for value in finite])
            gathered.append(node("Gather", [table, "race"], f"{what}{part}_of", axis=0))
        share, sign, limit = gathered
        gap = node("Sub", [probability, limit], f"gap{part}")
        signed = node("Mul", [gap, sign], f"signed{part}")
        yes = node("Greater", [signed, constant(f"zero{part}", 0.0)], f"yes{part}")
        as_number = node("Cast", [yes], f"number{part}", to=1)
        pieces.append(node("Mul", [as_number, share], f"piece{part}"))
    return node("Add", pieces, "share")
