"""``govern check challenge``: is one candidate better than another, or is it chance?"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from govern.cli.output import JsonOption, find_candidate, opened, show_rows, show_value
from govern.errors import ConflictError


def challenge(
    challenger: Annotated[str, typer.Argument(help="Name or digest.")],
    champion: Annotated[str, typer.Argument(help="Name or digest, such as what serves now.")],
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    as_json: JsonOption = False,
) -> None:
    """Compare two candidates on the challenger's evaluation rows by the paired bootstrap.

    Example: govern check challenge loan-reduction loan-logistic
    """
    from govern.adapters.candidates.opening import open_candidate
    from govern.adapters.check_data import load_evaluation
    from govern.checks import challenging
    from govern.domain.predicates import CANDIDATE

    with opened() as application:
        operations, blobs = application.operations, application.blobs
        digests = [find_candidate(application, text) for text in (challenger, champion)]
        about = operations.recorder.about(digests[0])
        cards = [item.statement.predicate for item in about if item.kind == CANDIDATE]
        evaluation = cards[-1].get("evaluation")
        if not isinstance(evaluation, str):
            raise ConflictError("the challenger's card names no evaluation data to compare on")
        given: list[Any] = []
        tasks = []
        for digest in digests:
            files = {n: blobs.get(d) for n, d in operations.check_files(digest).items()}
            with open_candidate(files) as model:
                data = load_evaluation(blobs, evaluation, digest, model.task, model.columns)
                given.append(model.predict(data.rows, data.protected_of(model)))
                tasks.append(model.task)
    if tasks[0] != tasks[1]:
        raise ConflictError("the two candidates answer different tasks; nothing can be compared")
    found = challenging.compare(data.labels, given[0], given[1], tasks[0], seed)
    _show({"challenger": digests[0], "champion": digests[1], **found}, as_json=as_json)


def _show(found: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show_value(found, as_json=True)
        return
    rows = [
        {
            "figure": name.replace("_", " "),
            "challenger": f"{row['challenger']:.4g}",
            "champion": f"{row['champion']:.4g}",
            "difference": f"{row['difference']:+.4g} ({row['low']:.3g} to {row['high']:.3g})",
            "verdict": row["verdict"],
        }
        for name, row in found["figures"].items()
    ]
    show_rows(rows, {name: name for name in rows[0]}, as_json=False, empty="nothing to compare")
    print(
        f"{found['changed_answers']} of {found['rows']} answers differ; intervals of 95 % over "
        f"{found['draws']} draws of whole rows."
    )
