"""Exit 0 when every ``name==version`` given is installed in this interpreter."""

import sys
from importlib.metadata import PackageNotFoundError, version


def missing(wanted: list[str]) -> list[str]:
    """Return the requirements that are not installed as asked."""
    found = []
    for item in wanted:
        name, _, number = item.partition("==")
        name = name.partition("[")[0]
        try:
            if version(name) != number:
                found.append(item)
        except PackageNotFoundError:
            found.append(item)
    return found


if __name__ == "__main__":
    sys.exit(1 if missing(sys.argv[1:]) else 0)
