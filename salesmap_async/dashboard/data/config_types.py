"""The kinds of value in a `dashboard.toml`, each with the words for what is allowed.

A kind is checked by pydantic; where the check fails, the error is of the type `WANTED` and its
message completes "... must be".
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    GetPydanticSchema,
    StrictBool,
    StrictInt,
    StringConstraints,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
)
from pydantic_core import PydanticCustomError, core_schema

from salesmap_async.dashboard.data.columns import DEFAULT_COLUMNS, ColumnMap
from salesmap_async.dashboard.web.parameters import EARLIEST_YEAR, LATEST_YEAR

WANTED = "wanted"


def _wanted(words: str) -> WrapValidator:
    def check(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValueError:
            raise PydanticCustomError(WANTED, "{words}", {"words": words}) from None

    return WrapValidator(check)


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
        return good and (parts.port is None or parts.port > 0)
    except ValueError:
        return False


def _web_address(text: str) -> str:
    text = text.rstrip("/")
    if not _is_web_address(text) or not text.isprintable() or set(text) & set(" ?#@\\"):
        raise ValueError
    return text


def _host(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?", text):
        ipaddress.ip_address(text)
    return text


_WrittenText = Annotated[str, StringConstraints(pattern=r"\S")]

Text = Annotated[_WrittenText, _wanted("a text")]
Texts = Annotated[tuple[_WrittenText, ...], _wanted("a list of texts")]
SetOfTexts = Annotated[frozenset[_WrittenText], _wanted("a list of texts")]
OneOrMore = Annotated[
    tuple[_WrittenText, ...],
    Field(min_length=1),
    BeforeValidator(lambda value: [value] if isinstance(value, str) else value),
    _wanted("a text or a list of texts"),
]
Flag = Annotated[StrictBool, _wanted("true or false")]
Year = Annotated[
    StrictInt,
    Field(ge=EARLIEST_YEAR, le=LATEST_YEAR),
    _wanted(f"a year from {EARLIEST_YEAR} to {LATEST_YEAR}"),
]
Key = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9_-]{1,40}$"),
    _wanted("1 to 40 of the characters A-Z a-z 0-9 _ -"),
]
WebAddress = Annotated[
    _WrittenText,
    AfterValidator(_web_address),
    _wanted("an address like https://salesmap.kr/web, without password, query and fragment"),
]
HostName = Annotated[
    _WrittenText,
    AfterValidator(_host),
    _wanted("names like crm.example.com or IP addresses, without port, scheme, * and path"),
]

_FieldName = Annotated[str, _wanted("a field of the CRM, or '' for none")]
_FORBID = ConfigDict(extra="forbid")


def _shape_of(table: str, meanings: Mapping[str, str]) -> Any:
    fields: dict[str, Any] = {meaning: (_FieldName, name) for meaning, name in meanings.items()}
    return create_model(table, __config__=_FORBID, **fields)


def _columns_shape() -> Any:
    shapes = {table: _shape_of(table, meanings) for table, meanings in DEFAULT_COLUMNS.items()}
    fields: dict[str, Any] = {table: (shape, shape()) for table, shape in shapes.items()}
    return create_model("columns", __config__=_FORBID, **fields)


Columns = Annotated[
    ColumnMap,
    GetPydanticSchema(
        lambda _type, handler: core_schema.no_info_after_validator_function(
            lambda given: given.model_dump(), handler(_columns_shape())
        )
    ),
]
"""Fields that are not named keep their default."""
