"""Write ``docs/reference/packs.md`` from the shipped packs; a test holds the two together."""

from __future__ import annotations

import sys
from pathlib import Path

from govern.policy.document import Pack, Rule, load_pack

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "packs.md"
HEAD = """# Shipped packs

Made by `python scripts/packs_page.py` from `policies/`; do not edit.

Every duty is paraphrased with its citation, and none of it is legal advice.
A pack decides from its first to its last day; what comes later stands here as future.
`NOT PROVIDED` under *reviewed*: nobody has put a name to the pack; have it reviewed first.
A digest of the source is given where its exact text was at hand; where not, the pack says why.
"""


def page() -> str:
    """Return the page."""
    files = sorted(ROOT.glob("policies/*/policy.yaml"))
    packs = [load_pack(path.read_bytes(), path.parent.name) for path in files]
    lines = [HEAD, "| pack | status | from | to | supersedes | jurisdiction | rules |"]
    lines.append("|---|---|---|---|---|---|---|")
    lines += [_row(pack) for pack in packs]
    for pack in packs:
        lines += ["", *_section(pack)]
    return "\n".join(lines) + "\n"


def _row(pack: Pack) -> str:
    kinds = [rule.severity for rule in pack.rules]
    known = [kind for kind in ("deny", "review", "advise") if kind in kinds]
    cells = (
        f"[{pack.id}](#{pack.id})",
        pack.status,
        pack.effective_from.isoformat(),
        pack.effective_to.isoformat() if pack.effective_to else "",
        pack.supersedes or "",
        pack.jurisdiction,
        ", ".join(f"{kinds.count(kind)} {kind}" for kind in known),
    )
    return f"| {' | '.join(cells)} |"


def _section(pack: Pack) -> list[str]:
    why = " ".join(str(pack.meta.get("why", "")).split())
    about = [f"{pack.title}, version {pack.version}.", why, _sources(pack)]
    lines = [f"## {pack.id}", ""]
    for text in about:
        lines += [text, ""]
    lines += ["| rule | severity | what it asks | citation | answered by |", "|---|---|---|---|---|"]
    return lines + [_rule(rule) for rule in pack.rules]


def _sources(pack: Pack) -> str:
    source = pack.meta.get("source", {})
    cited = source.get("citation", pack.instrument)
    link = f"[{cited}]({source['url']})" if "url" in source else cited
    names = [str(pack.meta[key]) for key in ("reviewed_by", "reviewed_on") if key in pack.meta]
    digest = source.get("digest") or f"NOT PROVIDED. {_flat(source.get('no_digest', ''))}"
    looked = _flat(source.get("looked_up", "")) or "NOT PROVIDED"
    looked += f" ({source['looked_up_on']})" if "looked_up_on" in source else ""
    reviewed = ", ".join(names) or "NOT PROVIDED"
    return (
        f"Source: {link}. Digest of the source: {digest.rstrip('.')}. "
        f"Looked up: {looked}. Reviewed: {reviewed}."
    )


def _flat(text: str) -> str:
    return " ".join(str(text).split())


def _rule(rule: Rule) -> str:
    who = f"a person: `{rule.declared}`" if rule.declared else "evidence"
    cells = (f"`{rule.id}`", rule.severity, rule.title, rule.citation, who)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), "utf-8")
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}\n")
