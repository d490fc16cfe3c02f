"""A vote as files that ``ssh-keygen -Y verify`` reads, for people who trust nothing of ours."""

from __future__ import annotations

from govern.domain import predicates
from govern.domain.ballot import NAMESPACE, OWN_SIGNATURE, ballot
from govern.errors import InvalidRequestError, NotFoundError
from govern.services.recording import Recorder
from govern.transparency.sshsig import parse_sshsig, public_line
from govern.transparency.verify import VerifiedStatement


def ballot_files(recorder: Recorder, text: str) -> tuple[dict[str, bytes], str]:
    """Return the files of a vote by name, and the command that verifies them.

    ``ballot.json`` is what was signed, ``ballot.json.sig`` the signature,
    ``allowed_signers`` the key as the statement has it, and ``statement.sigstore.json`` the
    vote as it stands in the log. Whether the key is the person's own the trust file says.

    Args:
        recorder: the lineage log's recorder.
        text: the vote's statement digest, or the beginning of it.

    Raises:
        NotFoundError: no such vote.
        InvalidRequestError: several, or the reviewer signed it with no key of her or his own.
    """
    vote = _find(recorder, text)
    predicate, person = vote.statement.predicate, vote.signer
    if OWN_SIGNATURE not in predicate:
        raise InvalidRequestError(
            f"{person} signed this vote with no key of her or his own; its bundle is what "
            "`govern verify` and stock Sigstore tools read"
        )
    armored = str(predicate[OWN_SIGNATURE])
    line = public_line(parse_sshsig(armored)).encode()
    files = {
        "ballot.json": ballot(predicate),
        "ballot.json.sig": armored.encode(),
        "allowed_signers": f'{person} namespaces="{NAMESPACE}" '.encode() + line + b"\n",
        "statement.sigstore.json": vote.bundle,
    }
    command = (
        f"ssh-keygen -Y verify -f allowed_signers -I {person} -n {NAMESPACE} "
        "-s ballot.json.sig < ballot.json"
    )
    return files, command


def _find(recorder: Recorder, text: str) -> VerifiedStatement:
    start = text if text.startswith("sha256:") else f"sha256:{text}"
    found = [item for item in recorder.all(predicates.APPROVAL) if item.digest.startswith(start)]
    if not found:
        raise NotFoundError(f"no vote {text:.80}")
    if len(found) > 1:
        raise InvalidRequestError(f"{text} means {len(found)} votes; give more of the digest")
    return found[0]
