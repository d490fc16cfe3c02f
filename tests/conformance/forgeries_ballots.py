"""Forgeries by an insider with every key of the service, against a reviewer's own key."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dossier_workshop import ROSA, TOMAS, Candidate, Workshop, answers
from forging import Forged, Forger, begin, forgery, sealed

from govern.domain.ballot import NAMESPACE, OWN_SIGNATURE, ballot
from govern.transparency.passkey import PRESENT, SYNCED, VERIFIED
from tests.support.passkeys import SoftPasskey
from tests.support.ssh_keys import SshKey

Change = Callable[[dict[str, Any], SshKey, SshKey], dict[str, Any]]


def in_rosas_name(forger: Forger, change: Change, *, revoked: bool = False) -> Forged:
    """Return a dossier with a vote that the insider recorded past the service's own checks."""
    shop = forger.shop()
    hers, mine = SshKey(forger.folder, "hers"), SshKey(forger.folder, "mine")
    shop.enrol(ROSA, hers.public)
    if revoked:
        shop.revoke(f"reviewer:{ROSA}")
    item = begin(shop)
    shop.record_vote(item, TOMAS)
    record(shop, item, lambda vote: change(vote, hers, mine))
    shop.admit(item)
    answers(shop, item)
    return sealed(shop, item)


def record(
    shop: Workshop, item: Candidate, change: Callable[[dict[str, Any]], dict[str, Any]]
) -> None:
    """Record a vote in Rosa's name."""
    vote = dict(item.votes[0].statement.predicate)
    shop.record_vote(item, ROSA, **change({**vote, "approver": ROSA}))


def signed(vote: dict[str, Any], key: SshKey, namespace: str = NAMESPACE) -> dict[str, Any]:
    """Return the vote with a signature over it."""
    return {**vote, OWN_SIGNATURE: key.sign(ballot(vote), namespace)}


@forgery
def approval_without_the_reviewers_own_signature(forger: Forger) -> Forged:
    return in_rosas_name(forger, lambda vote, hers, mine: vote)


@forgery
def approval_signed_with_another_ssh_key(forger: Forger) -> Forged:
    return in_rosas_name(forger, lambda vote, hers, mine: signed(vote, mine))


@forgery
def approval_with_a_signature_over_a_dissent(forger: Forger) -> Forged:
    def change(vote: dict[str, Any], hers: SshKey, mine: SshKey) -> dict[str, Any]:
        dissent = signed({**vote, "vote": "dissent"}, hers)
        return {**dissent, "vote": "approve"}

    return in_rosas_name(forger, change)


@forgery
def approval_with_a_signature_for_another_purpose(forger: Forger) -> Forged:
    return in_rosas_name(forger, lambda vote, hers, mine: signed(vote, hers, "git"))


@forgery
def approval_with_a_broken_ssh_signature(forger: Forger) -> Forged:
    return in_rosas_name(forger, lambda vote, hers, mine: {**vote, OWN_SIGNATURE: "yes"})


@forgery
def approval_signed_with_a_revoked_ssh_key(forger: Forger) -> Forged:
    return in_rosas_name(forger, lambda vote, hers, mine: signed(vote, hers), revoked=True)


@forgery
def approval_without_a_signature_after_the_ssh_key_was_revoked(forger: Forger) -> Forged:
    return in_rosas_name(forger, lambda vote, hers, mine: vote, revoked=True)


def with_rosas_passkey(
    forger: Forger, used: dict[str, Any], flags: int = PRESENT | VERIFIED
) -> Forged:
    """Return a dossier with a vote by Rosa's passkey, used as the service would refuse."""
    shop, key = forger.shop(), SoftPasskey(flags=flags)
    shop.enrol(ROSA, key.public, key.passkey)
    item = begin(shop)
    shop.record_vote(item, TOMAS)
    record(
        shop,
        item,
        lambda vote: {**vote, OWN_SIGNATURE: key.but(**used).sign(ballot(vote), NAMESPACE)},
    )
    shop.admit(item)
    answers(shop, item)
    return sealed(shop, item)


@forgery
def approval_by_a_passkey_without_its_user(forger: Forger) -> Forged:
    return with_rosas_passkey(forger, {"flags": PRESENT})


@forgery
def approval_by_a_passkey_on_another_page(forger: Forger) -> Forged:
    return with_rosas_passkey(forger, {"origin": "https://evil.example"})


@forgery
def approval_by_a_synced_passkey_in_the_top_tier(forger: Forger) -> Forged:
    return with_rosas_passkey(forger, {}, PRESENT | VERIFIED | SYNCED)
