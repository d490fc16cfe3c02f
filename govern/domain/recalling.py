"""Recall: what a tainted digest, a key or a person means, and everything that follows. Pure.

A recall starts from the steps that the target names and touches exactly what is downstream of
them in the lineage graph. It decides nothing about those steps; suspending is a service's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from govern.domain.lineage_graph import LineageGraph
from govern.domain.lineage_reading import Node
from govern.errors import InvalidRequestError, NotFoundError
from govern.transparency.digest import digest_of
from govern.transparency.encoding import parse_time

PREFIX_CHARS_MIN = 6
TEXT_CHARS_MAX = 500
NAMED_FIRST = ("model", "data", "admission", "features", "training", "run")


@dataclass(frozen=True, slots=True)
class Target:
    """What is recalled.

    Args:
        text: as a person gave it.
        kind: ``digest``, ``key`` or ``person``.
        digest: the digest, the key's id, or the digest of the person's address.
        seeds: id of each step it names, to the role in which it does.
    """

    text: str
    kind: str
    digest: str
    seeds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class KeyUse:
    """The steps that rest on one key, and in which role it stands behind them."""

    role: str
    ids: frozenset[str]


def find_target(text: str, graph: LineageGraph, keys: Mapping[str, KeyUse]) -> Target:
    """Return what a digest, its beginning, a key id, an address or a name means.

    Raises:
        NotFoundError: nothing here has it.
        InvalidRequestError: several do, or it is too long or too short.
    """
    if not 0 < len(text.strip()) <= TEXT_CHARS_MAX:
        raise InvalidRequestError(f"a target has 1 to {TEXT_CHARS_MAX} characters")
    text = text.strip()
    if "@" in text:
        return _person(text, graph)
    digest = _whole(text, graph, keys)
    if digest is None:
        return _named(text, graph)
    if digest in keys:
        use = keys[digest]
        return Target(text, "key", digest, dict.fromkeys(use.ids, f"signed under: {use.role} key"))
    return Target(text, "digest", digest, _roles_of(graph, digest))


def since(target: Target, graph: LineageGraph, moment: datetime) -> Target:
    """Narrow a target to the steps at or after a moment.

    Raises:
        NotFoundError: there is none.
    """
    kept = {
        id_: role
        for id_, role in target.seeds.items()
        if not graph.nodes[id_].at or parse_time(graph.nodes[id_].at) >= moment
    }
    if not kept:
        raise NotFoundError(f"nothing that {target.text} names happened since then")
    return Target(target.text, target.kind, target.digest, kept)


def touched(graph: LineageGraph, target: Target) -> LineageGraph:
    """Return the steps a recall touches: what the target names and all that follows."""
    return graph.part(graph.downstream(target.seeds))


def of_kind(graph: LineageGraph, *kinds: str) -> list[Node]:
    """Return the nodes of some kinds, in the graph's order."""
    return [node for node in graph.nodes.values() if node.kind in kinds]


def _roles_of(graph: LineageGraph, digest: str) -> dict[str, str]:
    roles = {}
    for id_ in graph.naming(digest):
        node = graph.nodes[id_]
        files = {own: name for name, own in node.files}
        if id_ == digest:
            roles[id_] = "is this statement"
        elif digest in files:
            roles[id_] = f"holds the file {files[digest]}"
        elif node.makes(digest):
            roles[id_] = "made or signed these bytes"
        else:
            roles[id_] = "is about these bytes" if digest in node.subjects else "read these bytes"
    return roles


def _person(text: str, graph: LineageGraph) -> Target:
    person = text.lower()
    seeds = {
        node.id: ", ".join(sorted(role for role, who in node.people if who.lower() == person))
        for node in graph.nodes.values()
        if any(who.lower() == person for _, who in node.people)
    }
    if not seeds:
        raise NotFoundError(f"no statement names {text[:80]}")
    return Target(text, "person", digest_of(person.encode()), seeds)


def _whole(text: str, graph: LineageGraph, keys: Mapping[str, KeyUse]) -> str | None:
    """Return the digest that a text is or begins; None where it is no such beginning."""
    digits = text.removeprefix("sha256:")
    if not digits or set(digits) - set("0123456789abcdef"):
        return None
    known = _digests(graph) | set(keys)
    found = sorted({item for item in known if item.startswith(f"sha256:{digits}")})
    if len(digits) < PREFIX_CHARS_MIN:
        if text.startswith("sha256:"):
            raise InvalidRequestError(f"give at least {PREFIX_CHARS_MIN} digits of the digest")
        return None
    if len(found) > 1:
        raise InvalidRequestError(f"{text} begins {len(found)} digests; give more of it")
    if found:
        return found[0]
    if text.startswith("sha256:"):
        raise NotFoundError(f"no statement names the digest {text[:80]}")
    return None


def _digests(graph: LineageGraph) -> set[str]:
    found: set[str] = set()
    for node in graph.nodes.values():
        found |= {node.id, *node.subjects, *(digest for _, digest in node.files)}
        found |= {reference.digest for reference in node.reads}
    return found


def _named(text: str, graph: LineageGraph) -> Target:
    for kind in NAMED_FIRST:
        nodes = [node for node in of_kind(graph, kind) if node.label == text]
        if kind == "run" and nodes:  # a job runs every night under one name
            newest = max(nodes, key=lambda node: node.log_index)
            seeds = dict.fromkeys((node.id for node in nodes), "is a run of this job")
            return Target(text, "digest", newest.subjects[0], seeds)
        digests = {node.id if kind == "admission" else node.subjects[0] for node in nodes}
        if len(digests) > 1:
            raise InvalidRequestError(
                f"{len(digests)} {kind} steps are called {text[:80]}; give a digest"
            )
        if digests:
            digest = digests.pop()
            return Target(text, "digest", digest, _roles_of(graph, digest))
    raise NotFoundError(f"nothing recorded is called {text[:80]}; see `govern candidate list`")


def key_uses(nodes: Iterable[Node], roles: Callable[[str], Mapping[str, str]]) -> dict[str, KeyUse]:
    """Return the uses of each key.

    Args:
        nodes: the graph's nodes.
        roles: for a statement's digest, role to key id of every key it rests on.
    """
    found: dict[str, tuple[set[str], set[str]]] = {}
    for node in nodes:
        for role, key in roles(node.id).items():
            names, ids = found.setdefault(key, (set(), set()))
            names.add(role)
            ids.add(node.id)
    return {
        key: KeyUse(" and ".join(sorted(names)), frozenset(ids))
        for key, (names, ids) in found.items()
    }


def live(status: str, expires_at: str, now: datetime) -> bool:
    """Say whether an admission may serve now or later."""
    return status == "active" and parse_time(expires_at) > now


def next_steps(
    *, live_count: int, models: Sequence[Node], answers: int, problem: bool
) -> list[str]:
    """Return what to do next, in the order in which to do it."""
    steps = []
    if live_count:
        steps.append("suspend what is live: run this again with --suspend --reason TEXT --by EMAIL")
    if problem:
        steps.append("restore the gate records that could not be read, and count again")
    if models:
        steps.append("replace or retrain the models, and run their checks again on what is new")
    if answers:
        steps.append("name the people who were answered, and decide with counsel who is told")
    return steps or ["nothing: no model, admission or answer is touched"]
