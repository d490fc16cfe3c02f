"""scikit-learn candidates through skops: types from a list, nothing else is built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.inner import explain_linear, explain_trees
from govern.adapters.candidates.scores import answer, with_codes
from govern.checks.inner_values import InnerValues
from govern.checks.tasks import Task
from govern.errors import CandidateError

# Besides what skops trusts by itself: parts of estimators that hold numbers alone.
ALLOWED_TYPES = (
    "collections.OrderedDict",
    "sklearn._loss.link.Interval",
    "sklearn._loss.link.LogitLink",
    "sklearn._loss.loss.HalfBinomialLoss",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
    "sklearn.tree._tree.Tree",
)
_FOREST_ENDINGS = ("ForestClassifier", "ForestRegressor", "BoostingClassifier", "BoostingRegressor")


class SklearnModel:
    """A classifier with ``predict_proba``, or a regressor, as the card's task asks for."""

    def __init__(self, data: bytes, options: Mapping[str, Any]) -> None:
        import skops.io
        from sklearn import __version__ as version
        from skops import __version__ as skops_version

        self._card = options["card"]
        self._task = Task.read(self._card)
        try:
            self._model = skops.io.loads(data, trusted=list(ALLOWED_TYPES))
        except Exception as error:
            raise CandidateError(_why_not(error)) from None
        _require(self._model, self._task)
        self._names = getattr(self._model, "feature_names_in_", None)
        self.device: dict[str, Any] = {
            "kind": "cpu",
            "provider": "cpu",
            "runtime": f"scikit-learn {version}, skops {skops_version}",
            "precision": "float64",
            "deterministic": True,
        }

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and scores; of two classes the second is the positive one."""
        values: Any = with_codes(rows, protected)
        if self._names is not None:
            import pandas as pd

            values = pd.DataFrame(values, columns=self._names)
        if self._task.is_number:
            return answer(self._model.predict(values), self._card)
        shares = self._model.predict_proba(values)
        return answer(shares if self._task.classes else shares[:, 1], self._card)

    def explain(self, rows: np.ndarray, background: np.ndarray) -> InnerValues | None:
        """Return Shapley values read from a linear model or a forest; None for other kinds."""
        linear = explain_linear(self._model, rows, background)
        kind = type(self._model).__name__
        if linear is not None or not kind.endswith(_FOREST_ENDINGS) or self._task.classes:
            return linear
        if hasattr(self._model, "decision_function"):
            own, scale = self._model.decision_function, "log-odds"
        elif self._task.is_number:
            own, scale = self._model.predict, "score"
        else:
            own, scale = (lambda rows: self._model.predict_proba(rows)[:, 1]), "probability"
        return explain_trees(self._model, own, scale, rows, background)


def _require(model: Any, task: Task) -> None:
    """Refuse an estimator that does not answer what the card declares."""
    classes = [str(name) for name in getattr(model, "classes_", ())]
    if task.is_number:
        if classes or not hasattr(model, "predict"):
            raise CandidateError(f"model.skops is no regressor; the card's task is {task.kind}")
    elif not hasattr(model, "predict_proba") or len(classes) != max(2, len(task.classes)):
        count = len(task.classes) or "two"
        raise CandidateError(f"model.skops is no classifier of {count} classes with predict_proba")
    elif task.classes and classes != list(task.classes):
        raise CandidateError(
            f"model.skops has the classes {', '.join(classes)[:120]}; the card names them "
            f"{', '.join(task.classes)[:120]}"
        )


def load(files: Mapping[str, bytes], options: Mapping[str, Any]) -> SklearnModel:
    """Load ``model.skops``."""
    return SklearnModel(files["model.skops"], options)


def _why_not(error: Exception) -> str:
    if type(error).__name__ == "UntrustedTypesFoundException":
        return (
            f"model.skops holds types that are not on the list: {str(error)[:200]}; "
            "export the model to ONNX (skl2onnx) instead"
        )
    return f"model.skops does not load: {type(error).__name__}: {str(error)[:160]}"
