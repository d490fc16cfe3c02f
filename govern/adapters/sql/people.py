"""People and API tokens. Passwords are argon2id hashes, tokens SHA-256 of 32 random bytes."""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Sequence
from datetime import datetime

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError, VerifyMismatchError
from sqlalchemy import func, update
from sqlmodel import col, select

from govern.adapters.sql.sessions import Database, now_us, text_of_us
from govern.adapters.sql.tables import ApiTokenTable, PersonTable
from govern.errors import ConflictError, InvalidRequestError, NotFoundError
from govern.services.ports import ROLES, ApiToken, Person

PASSWORD_CHARS_MIN, PASSWORD_CHARS_MAX = 12, 200
FAILED_ATTEMPTS_MAX = 10
LOCK_SECONDS = 900
TOKEN_PREFIX = "govern_"  # noqa: S105 - it marks a token, it is none
_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,255}")
_hasher = PasswordHasher()
_NOBODY = _hasher.hash(secrets.token_hex(16))  # Verified for unknown names: equal time for all.


class PeopleRecords(Database):
    """Reads and writes people and tokens."""

    def put_person(
        self,
        email: str,
        *,
        name: str,
        roles: Sequence[str],
        password: str | None = None,
        disabled: bool = False,
        now: datetime | None = None,
    ) -> Person:
        """Create or change a person; a password of None keeps the present one.

        Raises:
            InvalidRequestError: not an address, an unknown role, roles that exclude each
                other, or a short password.
        """
        email = _address(email)
        unknown = sorted(set(roles) - set(ROLES))
        if unknown:
            raise InvalidRequestError(f"unknown role {unknown[0]!r:.40}; roles: {', '.join(ROLES)}")
        _require_apart(roles)
        hashed = None if password is None else hash_password(password)
        with self.writing() as session:
            row = session.get(PersonTable, email)
            if row is None:
                row = PersonTable(
                    email=email, name=name, roles="[]", created_at=text_of_us(_us(now)) or ""
                )
            row.name, row.roles, row.disabled = name, json.dumps(sorted(set(roles))), disabled
            row.password_hash = hashed or row.password_hash
            session.add(row)
            session.flush()
            return _person(row)

    def create_first_admin(self, email: str, *, name: str, password: str) -> Person:
        """Create the first person, an admin.

        Raises:
            ConflictError: someone is here already.
        """
        email, hashed = _address(email), hash_password(password)
        with self.writing() as session:
            if session.exec(select(func.count()).select_from(PersonTable)).one():
                raise ConflictError("this installation is set up already")
            row = PersonTable(
                email=email,
                name=name,
                roles='["admin"]',
                password_hash=hashed,
                created_at=text_of_us(now_us()) or "",
            )
            session.add(row)
            session.flush()
            return _person(row)

    def person(self, email: str) -> Person | None:
        """Return one person."""
        with self.reading() as session:
            row = session.get(PersonTable, email.strip().lower())
            return None if row is None else _person(row)

    def list_people(self) -> list[Person]:
        """Return everyone, by address."""
        with self.reading() as session:
            query = select(PersonTable).order_by(col(PersonTable.email)).limit(10_000)
            return [_person(row) for row in session.exec(query)]

    def count_people(self) -> int:
        """Return how many people there are."""
        with self.reading() as session:
            return session.exec(select(func.count()).select_from(PersonTable)).one()

    def sign_in(self, email: str, password: str, *, now: datetime | None = None) -> Person | None:
        """Return the person whose password this is, else None; counts and locks.

        After ``FAILED_ATTEMPTS_MAX`` wrong passwords the account is locked for
        ``LOCK_SECONDS``; while locked a right password is refused as well.
        """
        person = self.person(email) if len(password) <= PASSWORD_CHARS_MAX else None
        known = person is not None and person.password_hash and not person.disabled
        right = _verify(person.password_hash if known and person else None, password)
        at = _us(now)
        if person is None or not known or person.locked_until > at:
            return None
        failed = 0 if right else person.failed_attempts + 1
        locked = at + LOCK_SECONDS * 1_000_000 if failed >= FAILED_ATTEMPTS_MAX else 0
        if failed != person.failed_attempts or locked:
            change = update(PersonTable).where(col(PersonTable.email) == person.email)
            with self.writing() as session:
                session.execute(
                    change.values(failed_attempts=0 if locked else failed, locked_until=locked)
                )
        return person if right else None

    def add_token(
        self,
        email: str,
        *,
        name: str,
        scopes: Sequence[str],
        days: int,
        now: datetime | None = None,
    ) -> tuple[ApiToken, str]:
        """Create a token; return it and its secret, which is shown this once.

        Raises:
            InvalidRequestError: a life outside 1 to 366 days.
            NotFoundError: no such person.
        """
        if not 1 <= days <= 366:
            raise InvalidRequestError("a token lives 1 to 366 days")
        if self.person(email) is None:
            raise NotFoundError(f"no person {email}")
        secret = TOKEN_PREFIX + secrets.token_urlsafe(32)
        row = ApiTokenTable(
            id=secrets.token_hex(6),
            email=email,
            name=name[:200],
            token_hash=_token_hash(secret),
            scopes=json.dumps(sorted(set(scopes))),
            created_at=text_of_us(_us(now)) or "",
            expires_at=_us(now) + days * 86_400_000_000,
        )
        with self.writing() as session:
            session.add(row)
            session.flush()
            return _token(row), secret

    def token_owner(
        self, secret: str, *, now: datetime | None = None
    ) -> tuple[Person, ApiToken] | None:
        """Return whose token this is, where it is neither expired nor revoked."""
        query = (
            select(ApiTokenTable, PersonTable)
            .join(PersonTable, col(PersonTable.email) == ApiTokenTable.email)
            .where(ApiTokenTable.token_hash == _token_hash(secret))
        )
        with self.reading() as session:
            found = session.exec(query).first()
            if found is None:
                return None
            token, person = _token(found[0]), _person(found[1])
        if token.revoked or token.expires_at <= _us(now) or person.disabled:
            return None
        return person, token

    def list_tokens(self, email: str) -> list[ApiToken]:
        """Return a person's tokens."""
        query = select(ApiTokenTable).where(ApiTokenTable.email == email)
        with self.reading() as session:
            return [_token(row) for row in session.exec(query)]

    def revoke_token(self, token_id: str, *, email: str) -> bool:
        """Revoke a person's token; False where there is none."""
        query = update(ApiTokenTable).where(
            col(ApiTokenTable.id) == token_id, col(ApiTokenTable.email) == email
        )
        with self.writing() as session:
            done = session.execute(query.values(revoked=True))
            return bool(done.rowcount)  # type: ignore[attr-defined]


def hash_password(password: str) -> str:
    """Return an argon2id hash.

    Raises:
        InvalidRequestError: shorter or longer than the limits.
    """
    if not PASSWORD_CHARS_MIN <= len(password) <= PASSWORD_CHARS_MAX:
        raise InvalidRequestError(
            f"a password has {PASSWORD_CHARS_MIN} to {PASSWORD_CHARS_MAX} characters"
        )
    return _hasher.hash(password)


def _require_apart(roles: Sequence[str]) -> None:
    """Refuse roles that one person does not hold together."""
    if "admin" in roles and "reviewer" in roles:
        raise InvalidRequestError("an admin cannot approve, so nobody is admin and reviewer")
    if "auditor" in roles and len(set(roles)) > 1:
        raise InvalidRequestError("an auditor changes nothing, so holds no other role")


def _verify(hashed: str | None, password: str) -> bool:
    try:
        _hasher.verify(hashed or _NOBODY, password)
    except (VerifyMismatchError, VerificationError, InvalidHashError):
        return False
    return hashed is not None


def _address(email: str) -> str:
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email):
        raise InvalidRequestError("that is not an e-mail address")
    return email


def _us(now: datetime | None) -> int:
    return now_us() if now is None else int(now.timestamp() * 1_000_000)


def _token_hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _person(row: PersonTable) -> Person:
    return Person(
        email=row.email,
        name=row.name,
        roles=tuple(json.loads(row.roles)),
        password_hash=row.password_hash,
        disabled=row.disabled,
        failed_attempts=row.failed_attempts,
        locked_until=row.locked_until,
        created_at=row.created_at,
    )


def _token(row: ApiTokenTable) -> ApiToken:
    return ApiToken(
        id=row.id,
        email=row.email,
        name=row.name,
        scopes=tuple(json.loads(row.scopes)),
        created_at=row.created_at,
        expires_at=row.expires_at,
        revoked=row.revoked,
    )
