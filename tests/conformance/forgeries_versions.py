"""A genuine dossier in the hands of someone whose trust file is not the newest one."""

from __future__ import annotations

from dossier_workshop import NADIA, SERVICE, Workshop
from forging import Forged, Forger, begin, finish, forgery, sealed

from govern.services.keying import record_events
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import next_version, sign_trust
from tests.support.ssh_keys import SshKey


def renewed(forger: Forger) -> tuple[Workshop, TrustRoot, TrustRoot]:
    """Enrol a reviewer's own key, on record.

    Returns:
        the shop, the trust file from before, and another one of the same version as the new.
    """
    shop = forger.shop()
    old, value = shop.trust, next_version(shop.trust_bytes, now=shop.now, reason="another")
    other = TrustRoot.from_json(sign_trust(value, [shop.keys.ec_key("root")]))
    shop.enrol(NADIA, SshKey(forger.folder, "hers").public)
    record_events(shop.recorder, [old, shop.trust], signer=SERVICE)
    return shop, old, other


def judged_by(shop: Workshop, trust: TrustRoot) -> Forged:
    item = begin(shop)
    finish(shop, item)
    return Forged(sealed(shop, item).content, trust)


@forgery
def trust_file_older_than_the_log_names(forger: Forger) -> Forged:
    """Everything holds under the old file, whose keys may have ended since."""
    shop, old, _ = renewed(forger)
    return judged_by(shop, old)


@forgery
def trust_file_other_than_the_log_names(forger: Forger) -> Forged:
    """The root's thief signs a second file under the newest version."""
    shop, _, other = renewed(forger)
    return judged_by(shop, other)
