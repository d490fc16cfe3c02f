"""XGBoost and LightGBM candidates from their own files: UBJSON, and text.

Both parsers are native code that crafted files can crash; they run in the sandbox only.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from govern.adapters.candidates.inner import explain_trees
from govern.adapters.candidates.scores import answer, with_codes
from govern.checks.inner_values import InnerValues
from govern.errors import CandidateError


class XgboostModel:
    """A booster with a probability objective, on the first CUDA device where there is one."""

    def __init__(self, data: bytes, options: Mapping[str, Any]) -> None:
        import xgboost

        self._card = options["card"]
        self._booster = xgboost.Booster({"nthread": options["threads"]})
        try:
            self._booster.load_model(bytearray(data))
        except Exception as error:
            raise CandidateError(f"model.ubj does not load: {_first_line(error)}") from None
        may = options.get("device") != "cpu" and _gpu()
        wanted = "cuda:0" if may and xgboost.build_info()["USE_CUDA"] else "cpu"
        self._booster.set_param({"device": wanted, "nthread": options["threads"]})
        learner = json.loads(self._booster.save_config())["learner"]
        used = str(learner["generic_param"]["device"])
        if used != wanted:
            raise CandidateError(f"{wanted} was asked for, {used} was used")
        self.device: dict[str, Any] = {
            "kind": "cuda" if wanted != "cpu" else "cpu",
            "provider": used,
            "runtime": f"xgboost {xgboost.__version__}",
            "precision": "float32",
            "deterministic": True,
        }

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and probabilities."""
        values = with_codes(rows, protected).astype(np.float32)
        scores = self._booster.inplace_predict(values, validate_features=False)
        return answer(scores, self._card)

    def explain(self, rows: np.ndarray, background: np.ndarray) -> InnerValues:
        """Return Shapley values of the margin, read from the trees."""

        def margin(values: np.ndarray) -> np.ndarray:
            asked = values.astype(np.float32)
            found = self._booster.inplace_predict(
                asked, predict_type="margin", validate_features=False
            )
            return np.asarray(found, float)

        # What the booster computes in: a float64 just under a split may round across it.
        rows, background = (table.astype(np.float32).astype(float) for table in (rows, background))
        return explain_trees(self._booster, margin, "margin", rows, background)


class LightgbmModel:
    """A booster with a probability objective, on the CPU."""

    def __init__(self, data: bytes, options: Mapping[str, Any]) -> None:
        import lightgbm

        self._threads = int(options["threads"])
        self._card = options["card"]
        try:
            self._booster = lightgbm.Booster(model_str=data.decode("utf-8"))
        except Exception as error:
            raise CandidateError(f"model.txt does not load: {_first_line(error)}") from None
        self.device: dict[str, Any] = {
            "kind": "cpu",
            "provider": "cpu",
            "runtime": f"lightgbm {lightgbm.__version__}",
            "precision": "float64",
            "deterministic": True,
        }

    def predict(
        self, rows: np.ndarray, protected: Mapping[str, np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return labels and probabilities."""
        values = with_codes(rows, protected)
        scores = self._booster.predict(values, num_threads=self._threads)
        return answer(scores, self._card)

    def explain(self, rows: np.ndarray, background: np.ndarray) -> InnerValues:
        """Return Shapley values of the raw score, read from the trees."""

        def raw(values: np.ndarray) -> np.ndarray:
            found = self._booster.predict(values, raw_score=True, num_threads=self._threads)
            return np.asarray(found, float)

        return explain_trees(self._booster, raw, "raw score", rows, background)


def load(files: Mapping[str, bytes], options: Mapping[str, Any]) -> XgboostModel | LightgbmModel:
    """Load ``model.ubj`` (XGBoost) or ``model.txt`` (LightGBM)."""
    if "model.ubj" in files:
        return XgboostModel(files["model.ubj"], options)
    return LightgbmModel(files["model.txt"], options)


def _gpu() -> bool:
    return os.path.exists("/dev/nvidia0")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")[:160]
