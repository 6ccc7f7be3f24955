"""Deliberate bugs, one line each: a promise counts only while its test turns red for one of these."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug: in ``file``, ``before`` (which stands there once) becomes ``after``, and ``test`` must fail.

    ``test`` is a pytest node id, or a file with ``-k`` words after a space.
    """

    promise: str
    file: str
    before: str
    after: str
    test: str


_WATERMARKS, _WINDOWS = "tests/promises/test_watermarks.py", "tests/promises/test_windows.py"
_PAGES, _SCHEMAS, _LIVES = (f"tests/promises/test_{name}.py" for name in ("pages", "schemas", "lives"))

MUTANTS: list[Mutant] = [
    Mutant(
        "P12", "flows/pulling.py",
        "mark = Watermark(crm, target, until) if is_last else None",
        "mark = Watermark(crm, target, until)",
        f"{_WATERMARKS} -k cursor_moves_only_with_the_rows and salesforce-sqlite-1-1",
    ),
    Mutant(
        "P13", "flows/pulling.py",
        "after = low - timedelta(seconds=patience.overlap_s)",
        "after = low",
        f"{_WINDOWS} -k show_late and salesforce and 400",
    ),
    Mutant(
        "P13", "flows/pulling.py",
        "until = now - timedelta(seconds=patience.hold_back_s)",
        "until = now",
        f"{_WINDOWS} -k show_late and hubspot and 400",
    ),
    Mutant(
        "P14", "integrations/hubspot/search.py",
        "            found |= _complete(portal, source, filters, first)",
        "            found |= set(_ids(first))",
        f"{_WINDOWS} -k ties and hubspot and False-250",
    ),
    Mutant(
        "P14", "integrations/salesforce/org.py",
        '            if page["done"]:',
        '            if page["done"] or len(visited) > 1:',
        f"{_WINDOWS} -k ties and salesforce and True-250",
    ),
    Mutant(
        "P15", "flows/pulling.py",
        "until = now - timedelta(seconds=patience.hold_back_s)",
        "until = now + timedelta(hours=2)",
        f"{_WINDOWS} -k while_we_page and hubspot-False-4",
    ),
    Mutant(
        "P17", "integrations/salesforce/org.py",
        "        if seen != total:",
        "        if seen > total:",
        f"{_PAGES} -k salesforce-truncate_page-True-60",
    ),
    Mutant(
        "P17", "integrations/hubspot/search.py",
        "    if len(ids) != total:\n        raise",
        "    if len(ids) > total:\n        raise",
        f"{_PAGES} -k hubspot-truncate_page-False-60",
    ),
    Mutant(
        "P18", "models/mirror.py",
        "if until is not None and at is not None:",
        "if until is None and at is not None:",
        f"{_WATERMARKS} -k impossible",
    ),
    Mutant(
        "P19", "integrations/hubspot/pull.py",
        "    if source.is_mergeable:\n        survivors",
        "    if source.is_mergeable and window.after is None:\n        survivors",
        f"{_LIVES} -k merged_account_hands and hubspot",
    ),
    Mutant(
        "P20", "flows/pulling.py",
        "            except FieldMismatchError as error:",
        "            except ZeroDivisionError as error:",
        f"{_SCHEMAS} -k stops_its_object_only and salesforce-accounts-field_renamed",
    ),
    Mutant(
        "P20", "integrations/hubspot/pull.py",
        "    return None if kind in FITTING[column.kind] else",
        "    return None if kind else",
        f"{_SCHEMAS} -k stops_its_object_only and hubspot-tickets-field_retyped",
    ),
    Mutant(
        "P25", "flows/pulling.py",
        "    except CrmError as error:",
        "    except ZeroDivisionError as error:",
        f"{_LIVES} -k refuses_for_a_whole_run",
    ),
]  # fmt: skip
