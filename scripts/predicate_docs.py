"""Write ``docs/specs/predicates/*.md`` from the schemas beside them.

    python scripts/predicate_docs.py           write
    python scripts/predicate_docs.py --check   exit 1 where a page differs

The schema is the source; a page is never edited by hand.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "specs" / "predicates"
INDEX = "README.md"
STANDARD = """
Where a standard predicate exists, statements use it instead:

| statement | predicate type |
|---|---|
| signed model or data folder | `https://model_signing/signature/v1.0` |
| feature build, training run | `https://slsa.dev/provenance/v1` |
| check | `https://in-toto.io/attestation/test-result/v0.1` |
| decision | `https://in-toto.io/attestation/svr/v0.2` |
| model card | `https://cyclonedx.org/bom` (CycloneDX 1.6 ML-BOM) |
"""


def pages() -> dict[str, str]:
    """Return every page by file name."""
    schemas = [json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.schema.json"))]
    found = {f"{schema['title']}.md": page(schema) for schema in schemas}
    return {INDEX: index(schemas), **found}


def index(schemas: list[dict[str, Any]]) -> str:
    """Return the list of own predicates."""
    rows = [
        f"| [{s['title']}]({s['title']}.md) | `{s['$id']}` | {s['description']} |" for s in schemas
    ]
    head = "# Predicates\n\nOur own, each with a JSON Schema that the tests hold recorded statements to.\n"
    table = "\n".join(["| predicate | type | says |", "|---|---|---|", *rows])
    return f"{head}\n{table}\n{STANDARD}"


def page(schema: dict[str, Any]) -> str:
    """Return one predicate's page: example first, then subject, signer, rules and fields."""
    example = json.dumps(schema["examples"][0], indent=2, ensure_ascii=False)
    rules = "\n".join(f"- {rule}" for rule in schema["x-rules"])
    fields = "\n".join(_row(schema, name) for name in schema["properties"])
    more = "yes, they are part of what is signed" if schema["additionalProperties"] else "no"
    return f"""# {schema["title"]}

{schema["description"]}

```json
{example}
```

| | |
|---|---|
| predicate type | `{schema["$id"]}` |
| subject | {schema["x-subject"]} |
| signed by | {schema["x-signer"]} |
| further fields | {more} |
| schema | [{schema["title"]}.schema.json]({schema["title"]}.schema.json) |

{rules}

| field | type | needed | what |
|---|---|---|---|
{fields}
"""


def _row(schema: dict[str, Any], name: str) -> str:
    field = schema["properties"][name]
    needed = "yes" if name in schema["required"] else "no"
    return f"| `{name}` | {_type(field)} | {needed} | {field['description']} |"


def _type(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    pattern = field.get("pattern", "")
    if pattern.startswith("^sha256:"):
        return "digest"
    if "T" in pattern:
        return "UTC time"
    if field.get("type") == "array":
        return f"list of {_type(field['items'])}"
    if isinstance(field["type"], list):
        return " or ".join(field["type"])
    return "base64" if "contentEncoding" in field else str(field["type"])


def main(arguments: list[str]) -> int:
    """Write the pages, or compare them."""
    differ = []
    for name, text in pages().items():
        path = FOLDER / name
        if path.exists() and path.read_text("utf-8") == text:
            continue
        differ.append(name)
        if "--check" not in arguments:
            path.write_text(text, "utf-8")
    if "--check" in arguments and differ:
        print(f"run scripts/predicate_docs.py: {', '.join(differ)} differ", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
