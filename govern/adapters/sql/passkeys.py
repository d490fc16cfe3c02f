"""Passkeys made in the portal: by which id a browser finds them, and where they are used."""

from __future__ import annotations

from sqlalchemy import delete
from sqlmodel import col, select

from govern.adapters.sql.rows import plain
from govern.adapters.sql.sessions import Database
from govern.adapters.sql.tables import PasskeyTable
from govern.errors import InvalidRequestError, NotFoundError
from govern.services.ports import PasskeyRow

PASSKEYS_PER_PERSON_MAX = 10


class PasskeyRecords(Database):
    """Reads and writes passkeys."""

    def add_passkey(self, row: PasskeyRow) -> None:
        """Keep a passkey.

        Raises:
            InvalidRequestError: the person has ``PASSKEYS_PER_PERSON_MAX`` already.
            ConflictError: this key is here already.
        """
        if len(self.passkeys_of(row.email)) >= PASSKEYS_PER_PERSON_MAX:
            raise InvalidRequestError(f"a person has at most {PASSKEYS_PER_PERSON_MAX} passkeys")
        values = {name: getattr(row, name) for name in row.__dataclass_fields__}
        with self.writing() as session:
            session.add(PasskeyTable(**values))

    def passkeys_of(self, email: str) -> list[PasskeyRow]:
        """Return a person's passkeys, oldest first."""
        query = select(PasskeyTable).where(PasskeyTable.email == email)
        with self.reading() as session:
            found = session.exec(query.order_by(col(PasskeyTable.created_at)))
            return [plain(row, PasskeyRow) for row in found]

    def passkey(self, text: str) -> PasskeyRow:
        """Return the passkey whose key id is, or begins with, ``text``.

        Raises:
            NotFoundError: none.
            InvalidRequestError: several.
        """
        start = text if text.startswith("sha256:") else f"sha256:{text}"
        query = select(PasskeyTable).where(
            col(PasskeyTable.key_id).startswith(start, autoescape=True)
        )
        with self.reading() as session:
            found = [plain(row, PasskeyRow) for row in session.exec(query.limit(2))]
        if not found:
            raise NotFoundError(f"no passkey {text:.80}; its owner's account page shows its id")
        if len(found) > 1:
            raise InvalidRequestError(f"{text} means several passkeys; give more of the id")
        return found[0]

    def remove_passkey(self, key_id: str, *, email: str) -> bool:
        """Forget a person's passkey; False where there is none. The trust file stays as it is."""
        query = delete(PasskeyTable).where(
            col(PasskeyTable.key_id) == key_id, col(PasskeyTable.email) == email
        )
        with self.writing() as session:
            return bool(session.execute(query).rowcount)  # type: ignore[attr-defined]
