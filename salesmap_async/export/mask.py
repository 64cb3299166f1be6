"""Masking: what tells who somebody is becomes a token, the same one for the same text.

E-mail addresses and Korean phone numbers are found in every text, nested ones too; names where they
stand: in the fields that hold people's names, in the answers of web forms that ask for one, and
wherever a whole value is the name of somebody in the snapshot. Ids, amounts and dates stay. This
is masking, not anonymising: what is left (a rare title, a date, a city) may still tell who it is.

A token is an HMAC with a key that is made on first use and kept beside the DB, for its owner alone:
the same person has the same token in every export, and nobody without the key can try names out.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import secrets
from collections.abc import Callable, Collection
from functools import lru_cache
from pathlib import Path
from typing import Any

from salesmap_async import exact_json
from salesmap_async.errors import UsageError
from salesmap_async.export.source import ExportTable, Row
from salesmap_async.export.text_files import nested

NAME_COLUMNS = {"people": ("이름", "name"), "user": ("name", "이름"), "lead": ("이름", "name")}
"""Columns that hold the name of a person, as a whole."""

_ASKS_FOR_A_NAME = re.compile(r"이름|성함|성명|담당자|name", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@<>()\[\]{},;:\"'|\\/]+@[^\s@<>()\[\]{},;:\"'|\\/]+\.[^\W\d_]{2,}")
_PHONE = re.compile(
    r"(?<![0-9A-Za-z])(?:\(?\+?82\)?[-\s.)]*\(?0?\)?|\(?0)"
    r"(?:1[016789]|2|3[1-3]|4[1-4]|5[0-5]|6[1-4]|70|80|50\d)\)?[-\s.]*\d{3,4}[-\s.]*\d{4}(?![0-9])"
)
_MAY_HOLD_ONE = re.compile("[0-9０-９@＠]")
_ID = re.compile(r"(?:.*[a-z])?[iI]d|id|RecordId|cursorId")
_DIGITS = str.maketrans("０１２３４５６７８９－＠", "0123456789-@")
_KEY_BYTES = 32
_AS_LETTERS = str.maketrans("0123456789", "ghijklmnop")
"""No token looks like a number."""


def read_key(db_path: Path) -> bytes:
    """Return the key beside the DB; make it where there is none. Raises UsageError."""
    path = db_path.with_name(f"{db_path.stem}_mask.key")
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise UsageError(f"the mask's key {path} cannot be made: {error.strerror}") from None
    else:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(_KEY_BYTES))
    key = path.read_bytes()
    if len(key) != _KEY_BYTES:
        raise UsageError(f"the mask's key {path} is damaged", cure="restore it, or delete it")
    return key


class Mask:
    """Masks the rows of tables with one key. `names`: of people and users of the snapshot."""

    def __init__(self, key: bytes, names: Collection[str]) -> None:
        self._key = key
        self._names = names
        self._token = lru_cache(100_000)(self._make_token)

    def masked(self, table: ExportTable) -> ExportTable:
        """Return the table with every row masked."""
        changes = [self._change_of(table.name, column.name) for column in table.columns]

        def change(row: Row) -> Row:
            return tuple(
                value if type(value) is not str else masking(value)
                for masking, value in zip(changes, row, strict=True)
            )

        return table.through(change)

    def _change_of(self, table: str, column: str) -> Callable[[str], str]:
        if _ID.fullmatch(column):
            return str
        if column in NAME_COLUMNS.get(table, ()):
            return self._name
        return self._text

    def _text(self, text: str) -> str:
        """Mask what is found in a text; one that is JSON stays JSON."""
        if text[:1] in ("{", "["):
            value = nested(text)
            if not isinstance(value, str):
                return exact_json.dumps(self._nested(value))
        return self._name(text) if text.strip() in self._names else self._free(text)

    def _nested(self, value: Any, *, is_name: bool = False) -> Any:
        if isinstance(value, str):
            return self._name(value) if is_name else self._text(value)
        if isinstance(value, list):
            return [self._nested(each, is_name=is_name) for each in value]
        if not isinstance(value, dict):
            return value
        asks = any(
            isinstance(value.get(key), str) and _ASKS_FOR_A_NAME.search(value[key])
            for key in ("label", "title", "question")
        )
        return {
            key: each
            if _ID.fullmatch(key)
            else self._nested(each, is_name=asks and key in ("value", "answer"))
            for key, each in value.items()
        }

    def _name(self, text: str) -> str:
        return self._token("이름", text) if text.strip() else text

    def _free(self, text: str) -> str:
        if not _MAY_HOLD_ONE.search(text):
            return text
        plain = text.translate(_DIGITS)
        found, emails = _EMAIL.subn(lambda each: self._token("메일", each[0].lower()), plain)
        found, phones = _PHONE.subn(lambda each: self._token("전화", _number_of(each[0])), found)
        return found if emails or phones else text

    def _make_token(self, kind: str, text: str) -> str:
        said = hmac.new(self._key, f"{kind} {text}".encode("utf-8", "replace"), hashlib.sha256)
        return f"[{kind} {said.hexdigest()[:10].translate(_AS_LETTERS)}]"


def _number_of(phone: str) -> str:
    """Return the digits of a phone number, the same ones however it is written."""
    digits = re.sub(r"\D", "", phone)
    return "0" + digits[2:].lstrip("0") if digits.startswith("82") else digits
