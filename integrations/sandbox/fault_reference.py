"""What users are told of faults; ``python -m integrations.sandbox.fault_reference`` prints the page."""

import json
import sys
from dataclasses import MISSING, fields

from integrations.sandbox.fault_kinds import HUBSPOT, KINDS, SALESFORCE
from integrations.sandbox.faults import FIELDS, Fault

_INTRODUCTION = """# Faults of the sandbox

`plansync sandbox serve` prints an `admin_url`. Faults are ordered there, in one shape, and stand until they have struck
`count` times or are cleared:

```
curl -X POST $ADMIN_URL/faults -d '{"crm": "hubspot", "kind": "rate_limit", "variant": "SECONDLY", "count": 3}'
curl $ADMIN_URL/faults             # those that can still strike
curl "$ADMIN_URL/faults?all=true"  # spent ones too, each with how often it struck
curl -X DELETE $ADMIN_URL/faults   # let everything work again
```

Everything is drawn from `seed`: the same orders and the same requests meet the same trouble. Of faults that break a
request off (the groups refusal and line) the first one ordered strikes; all others add up. Acts happen at once and do
not stand. This page is made by `python -m integrations.sandbox.fault_reference`.
"""
_LINE = """## A bad line

Trouble below HTTP comes from a proxy that stands before either CRM: point the client at the address that it prints.

```
python -m integrations.sandbox.chaos http://127.0.0.1:PORT --fault '{"kind": "cut", "size": 4000, "probability": 0.1}'
```

It knows `latency` (`latency_ms`), `reset` (nothing was done), `commit_then_drop` (done, but unanswered), `cut` (the
answer ends after `size` bytes), `drip` (`size` bytes a second) and `hang`, each with `count`, `probability`, `seed`,
`after` and `holding` (what the beginning of the request must hold). From Python, `integrations.sandbox.chaos.bad_line`
also refuses connections and counts what was seen and struck.
"""
_GROUPS = {
    "refusal": "Answers without the work",
    "line": "Broken connections",
    "page": "Answers that say something wrong",
    "row": "Rows of a write",
    "schema": "Changed schemas",
    "world": "What others do, and when it shows",
    "act": "Acts",
}


def reference() -> str:
    """The page, as Markdown."""
    parts = [_INTRODUCTION, _fields()]
    for group, title in _GROUPS.items():
        parts.append(f"## {title}\n")
        parts += [_kind(name) for name, kind in KINDS.items() if kind.group == group]
    return "\n".join([*parts, _LINE])


def _fields() -> str:
    rows = ["## The shape\n", "| field | usually | means |", "|---|---|---|"]
    for each in fields(Fault):
        usual = "required" if each.default is MISSING and each.default_factory is MISSING else _usual(each.default)
        rows.append(f"| `{each.name}` | {usual} | {FIELDS[each.name]} |")
    return "\n".join([*rows, ""])


def _usual(default: object) -> str:
    return "" if default in (None, "", (), MISSING) else f"`{default}`"


def _kind(name: str) -> str:
    kind = KINDS[name]
    only = "" if kind.on.keys() >= {SALESFORCE, HUBSPOT} else f" ({', '.join(sorted(kind.on))} only)"
    return f"### `{name}`{only}\n\n{kind.does}\n\n```json\n{json.dumps(kind.example)}\n```\n"


if __name__ == "__main__":
    sys.stdout.write(reference())
