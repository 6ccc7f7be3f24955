"""`python -m benchmarks.bulk [contacts]`: a full load by Salesforce's Bulk API beside the cheapest client's.

Ours and the raw client read the same pages in turns, each in a process of its own; the raw one keeps nothing but the
columns that `polars.read_csv` makes.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.measuring import in_child, median_of
from integrations.sandbox.process import running_sandbox

CONTACTS, ROUNDS = 100_000, 3


def measure(contacts: int) -> dict[str, Any]:
    """One size: the median of ours and of the raw client."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        in_child("contacts", folder, contacts=contacts)
        with running_sandbox(state=folder / "sandbox.db") as sandbox:
            os.environ["BENCH_SALESFORCE_URL"] = sandbox.salesforce.base_url
            os.environ["BENCH_SALESFORCE_TOKEN"] = sandbox.salesforce.access_token
            rounds = [(in_child("bulk", folder), in_child("bulk_raw", folder)) for _ in range(ROUNDS)]
    told = {"bulk": median_of([ours for ours, _ in rounds]), "bulk_raw": median_of([raw for _, raw in rounds])}
    if not told["bulk"]["result"] == told["bulk_raw"]["result"] == contacts:
        raise SystemExit(f"of {contacts} contacts, we read {told['bulk']['result']}, raw {told['bulk_raw']['result']}")
    return told


def main() -> None:
    """Print one size."""
    told = measure(int(sys.argv[1]) if sys.argv[1:] else CONTACTS)
    for name, step in told.items():
        print(name, {key: round(value, 2) if isinstance(value, float) else value for key, value in step.items()})
    print(f"CPU: {told['bulk']['cpu_s'] / told['bulk_raw']['cpu_s']:.2f} times the raw client")


if __name__ == "__main__":
    main()
