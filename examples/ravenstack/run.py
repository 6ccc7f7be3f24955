"""The whole example: start a sandbox, load RavenStack, run the nightly flow as of a day, recount.

python -m examples.ravenstack.run FOLDER --out ravenstack-out
"""

import argparse
import json
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Any

from examples.ravenstack import load, recount
from flows.demo import environment, write_settings
from flows.running import by_hand, printed
from integrations.sandbox.process import running_sandbox
from models.store import Store

FIRST_DAY = date(2023, 1, 1)


def whole(folder: Path, out: Path, day: date) -> tuple[dict[str, Any], list[str]]:
    """Do everything in ``out``, which must not hold an earlier example.

    Returns:
        The summary of the nightly run, and the differences between plansync and the recount.
    """
    out = out.resolve()
    (out / "surveys").mkdir(parents=True, exist_ok=True)  # RavenStack has no survey answers
    with running_sandbox(as_of=FIRST_DAY, state=out / "sandbox.db") as sandbox:
        refs = load.load(folder, load.Doors.of(asdict(sandbox.details)), out, day)
        with environment(sandbox, out):
            summary = by_hand(day, is_dry=False, config=_without_owners(write_settings(out, sandbox)))
    store = Store.open(f"sqlite:///{out}/plansync.db")
    files, plansync = recount.recounted(folder, day), recount.concluded(store, refs, day)
    store.close()
    sys.stderr.write(f"{printed(summary)}\n\nfrom the CSV files:\n{recount.told(files)}\n")
    return dict(summary), recount.differences(files, plansync)


def _without_owners(config: Path) -> Path:
    """The demo's settings name people of the demo as owners of last resort; here nobody owns anything."""
    lines = config.read_text().splitlines(keepends=True)
    config.write_text("".join(line for line in lines if not line.startswith("fallback_owner")))
    return config


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="the folder with RavenStack's CSV files")
    parser.add_argument("--out", type=Path, default=Path("ravenstack-out"), help="a new folder for everything written")
    parser.add_argument("--as-of", type=date.fromisoformat, default=load.LAST_DAY, help=f"default: {load.LAST_DAY}")
    given = parser.parse_args()
    summary, found = whole(given.folder, given.out, given.as_of)
    sys.stdout.write(json.dumps({"run": summary, "differences": found}, default=str) + "\n")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
