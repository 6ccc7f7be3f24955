"""Salesforce record ids: 15 characters that name a record, and three more for systems that lose capitals."""

import string
from functools import lru_cache

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_CHECKSUM = string.ascii_uppercase + "012345"
_NUMBER_LENGTH = 9
_GIVEN, _MADE = "5g0", "5m0"


def record_id(key_prefix: str, number: int) -> str:
    """The id for the ``number``-th record that a loader makes; ids of one prefix sort as their numbers do.

    Ids that the sandbox assigns by itself never meet these.
    """
    return id_18(key_prefix + _GIVEN + _base62(number))


def made_id(key_prefix: str, number: int) -> str:
    """The id that the sandbox assigns to the record in row ``number``."""
    return id_18(key_prefix + _MADE + _base62(number))


def number_of(given: str, key_prefix: str) -> int | None:
    """The number behind an id that ``made_id`` made for this prefix, in its short or long form; None for any other."""
    short, start = given[:15], key_prefix + _MADE
    if given not in {short, id_18(short)} or not short.startswith(start) or set(short) - set(_DIGITS):
        return None
    number = 0
    for each in short[len(start) :]:
        number = number * 62 + _DIGITS.index(each)
    return number if made_id(key_prefix, number)[:15] == short else None


def id_18(short: str) -> str:
    """A 15-character id with its three check characters, which say where the capitals are."""
    return short + _check_character(short[:5]) + _check_character(short[5:10]) + _check_character(short[10:])


def normal_id(given: str) -> str | None:
    """The 18-character form of an id, or None when it cannot be one."""
    if len(given) not in {15, 18} or not given.isascii() or not given.isalnum():
        return None
    whole = id_18(given[:15])
    return whole if len(given) == 15 or whole == given else None


@lru_cache(maxsize=65_536)
def _check_character(five: str) -> str:
    return _CHECKSUM[sum(1 << place for place, each in enumerate(five) if each.isupper())]


def _base62(number: int) -> str:
    text = ""
    while number:
        number, digit = divmod(number, 62)
        text = _DIGITS[digit] + text
    return text.rjust(_NUMBER_LENGTH, "0")
