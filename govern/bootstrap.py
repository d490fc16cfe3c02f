"""The one place where adapters meet services."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from govern.adapters.blobs_files import BlobFiles
from govern.adapters.files import write_durably
from govern.adapters.first_keys import Organisation, create_keys
from govern.adapters.gate_files import GateFolder, gate_homes
from govern.adapters.gate_tallies import count_gates
from govern.adapters.jobs_celery import make_nudge
from govern.adapters.key_home import KeyHome
from govern.adapters.keys_files import KeyFiles, gate_origin, lineage_origin
from govern.adapters.log_files import LogFiles
from govern.adapters.notice_sending import NoticeSender
from govern.adapters.pack_files import load_packs
from govern.adapters.sql.records import Records
from govern.adapters.trust_in_force import TrustInForce
from govern.errors import InvalidRequestError, NotFoundError, StorageError
from govern.services import keying, notifying
from govern.services.anchoring import Anchored, anchor_all
from govern.services.indexing import catch_up
from govern.services.notifying import Channels, Notice
from govern.services.operations import Operations
from govern.services.recording import Recorder
from govern.settings import Settings
from govern.transparency.trust import TrustRoot
from govern.transparency.trust_file import GATE, gate_role

LOG = logging.getLogger(__name__)


def utc_now() -> datetime:
    """Return the present."""
    return datetime.now(UTC)


@dataclass
class _Renewal:
    """Takes up a newer trust file in every part that holds trust or keys."""

    force: TrustInForce
    keys: KeyFiles
    log: LogFiles
    recorder: Recorder
    operations: Operations
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> bool:
        with self.lock:
            newer = self.force.newer()
            if newer is None:
                return False
            self.keys.take_up(newer)
            signer = self.keys.note_signer("lineage-log", self.log.origin)
            self.log.take_up(signer, [known.verifier for known in newer.log_keys(signer.name)])
            self.operations.take_up(self.keys.ed25519_key("snapshot"))
            self.recorder.take_up(newer)
            return True


@dataclass(frozen=True)
class Application:
    """Everything opened from one home."""

    settings: Settings
    records: Records
    blobs: BlobFiles
    log: LogFiles
    keys: KeyFiles
    operations: Operations

    @property
    def trust(self) -> TrustRoot:
        """The trust file in use."""
        return self.operations.recorder.trust

    @property
    def home(self) -> Path:
        """The home folder."""
        return self.settings.home

    def close(self) -> None:
        """Close the database."""
        self.records.close()


def initialise(
    settings: Settings, organisation: Organisation, root_folder: Path | None = None
) -> None:
    """Create keys, trust file, lineage log and database: ``govern init``.

    Args:
        settings: the home, and the passphrase file that encrypts the keys, if any.
        organisation: names, people, gates.
        root_folder: where the root's key goes instead of the home, to be taken away.

    Raises:
        StorageError: the home has been initialised already.
    """
    home = settings.home
    if (home / "trust.json").exists():
        raise StorageError(f"{home.name} has been initialised already")
    home.mkdir(parents=True, exist_ok=True)
    trust = create_keys(
        home / "keys",
        organisation,
        utc_now(),
        root_folder=root_folder,
        passphrase_file=settings.passphrase_file,
    )
    keys = open_keys(settings, organisation.issuer)
    origin = lineage_origin(organisation.domain)
    LogFiles.create(home / "log" / "lineage", keys.note_signer("lineage-log", origin))
    Records.open(settings.database_url, migrate=True).close()
    names = {"issuer": organisation.issuer, "domain": organisation.domain}
    identities = {role: organisation.roles[role][0] for role in ("evaluator", "decider", "service")}
    write_durably(
        home / "organisation.json", json.dumps({**names, "identities": identities}).encode()
    )
    write_durably(home / "trust" / "1.json", trust)
    write_durably(home / "trust.json", trust)


def open_keys(settings: Settings, issuer: str, trust: TrustRoot | None = None) -> KeyFiles:
    """Return the keys of a home; ``trust`` says which of them are in use."""
    return KeyFiles(settings.home / "keys", issuer, trust, settings.passphrase_file)


def open_application(settings: Settings, *, migrate: bool = False) -> Application:
    """Open an initialised home.

    Args:
        settings: the settings.
        migrate: create or upgrade the database, and leave its index as it is, so that it
            can be rebuilt; else the schema must be current, and statements that the log
            holds and the index lacks are indexed.

    Raises:
        StorageError: it has not been initialised.
        VerificationError: the log is shorter than the index knows, or does not verify.
    """
    home = settings.home
    try:
        names = json.loads((home / "organisation.json").read_text("utf-8"))
    except FileNotFoundError:
        raise StorageError(f"{home.name} is not initialised; run `govern init` first") from None
    force = TrustInForce(home / "trust.json")
    trust = force.trust
    keys = open_keys(settings, names["issuer"], trust)
    origin = lineage_origin(names["domain"])
    log = LogFiles(
        home / "log" / "lineage",
        keys.note_signer("lineage-log", origin),
        earlier=[known.verifier for known in trust.log_keys(origin)],
    )
    records = Records.open(settings.database_url, migrate=migrate)
    if not migrate:
        catch_up(log, records, trust)
    blobs = BlobFiles(home / "blobs")
    recorder = Recorder(signing=keys, log=log, store=records, trust=trust, clock=utc_now)
    operations = Operations(
        recorder=recorder,
        store=records,
        blobs=blobs,
        packs=lambda: load_packs(settings.policies),
        snapshot_key=keys.ed25519_key("snapshot"),
        identities=names["identities"],
        nudge=make_nudge(home, settings.broker_url),
        snapshot_seconds=settings.snapshot_seconds,
        published_only=settings.published_only,
        gate_counts=lambda: count_gates(gate_folders(home, names["domain"])),
        tell=_tell(records, open_channels(settings), settings.portal_address),
    )
    recorder.renew = _Renewal(force, keys, log, recorder, operations)
    return Application(settings, records, blobs, log, keys, operations)


def open_channels(settings: Settings) -> Channels:
    """Return where notices go.

    Raises:
        InvalidRequestError: ``GOVERN_NOTIFY_FILE`` cannot be read.
    """
    path = settings.notify_file
    if path is None:
        return Channels()
    try:
        with path.open("rb") as file:
            data = file.read(notifying.FILE_BYTES_MAX)
    except OSError as error:
        raise InvalidRequestError(f"GOVERN_NOTIFY_FILE: {error.strerror}: {path.name}") from None
    return notifying.read_channels(data, lambda name: (path.parent / name).read_text("utf-8"))


def _tell(records: Records, channels: Channels, address: str) -> Callable[[notifying.Event], None]:
    """Return what keeps the notices of an event; the worker sends them."""
    if channels == Channels():
        return lambda _: None
    return lambda event: _keep_notices(records, channels, address, event)


def _keep_notices(
    records: Records, channels: Channels, address: str, event: notifying.Event
) -> None:
    """Keep an event's notices; what is on record stays done where that fails."""
    try:
        people = records.list_people()
        records.add_notices(
            notifying.notices_for(event, channels, people, address=address, now=utc_now())
        )
    except StorageError as error:
        LOG.error("nobody is told of %s: %s", event.kind, error)


def send_notices(application: Application) -> int:
    """Send what is due, and what ends soon; return how many were delivered."""
    channels, records = open_channels(application.settings), application.records
    if channels == Channels():
        return 0
    for event in notifying.expiry_events(records.list_admissions(status="active"), utc_now()):
        _keep_notices(records, channels, application.settings.portal_address, event)
    sender = NoticeSender(channels, utc_now)
    return notifying.send_due(records, sender, now=utc_now(), tell=_log_notice)


def _log_notice(notice: Notice, error: str | None) -> None:
    level = logging.INFO if error is None else logging.WARNING
    outcome = "sent" if error is None else f"not sent: {error}"
    LOG.log(level, "notice %s (%s by %s): %s", notice.id, notice.event, notice.channel, outcome)


def gate_folders(home: Path, domain: str) -> list[tuple[Path, str]]:
    """Return folder and log origin of each gate that keeps records in this home."""
    return [(folder, gate_origin(domain, folder.name)) for folder in gate_homes(home)]


def anchor_gates(application: Application, *, only: str | None = None) -> list[Anchored]:
    """Anchor the gates that keep records in this home, or only one.

    Raises:
        NotFoundError: there is no such gate.
    """
    home, operations = application.home, application.operations
    names = sorted(path.parents[1].name for path in (home / "gates").glob("*/log/checkpoint"))
    if only is not None:
        if only not in names:
            raise NotFoundError(f"no gate {only!r:.40} keeps records here; there are: {names}")
        names = [only]
    gates = {name: partial(GateFolder, home, name) for name in names}
    return anchor_all(operations.recorder, gates, signer=operations.identities["service"])


def gate_names(application: Application) -> list[tuple[str, str]]:
    """Return name and origin of each gate whose log the trust file names."""
    origins = {log.origin for log in application.trust.logs if log.kind == "gate"}
    return sorted((gate_role(origin).removeprefix(GATE), origin) for origin in origins)


def key_home(
    application: Application,
    root_folders: Sequence[Path] = (),
    uri: str | None = None,
    new_root_folders: Sequence[Path] = (),
) -> KeyHome:
    """Return what changes the keys of a home; ``root_folders`` hold the root's keys."""
    file = application.settings.passphrase_file
    return KeyHome(application.home, application.keys, root_folders, file, uri, new_root_folders)


def record_key_events(application: Application) -> int:
    """Record every key change that the lineage log does not hold yet; return how many."""
    made = keying.record_events(
        application.operations.recorder,
        key_home(application).versions(),
        signer=application.operations.identities["service"],
    )
    return len(made)
