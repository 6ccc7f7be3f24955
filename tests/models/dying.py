"""Run as a program: works on a store and kills itself at a chosen statement, as a power cut would."""

import os
import signal
import sys
from pathlib import Path

import sqlalchemy as sa

from models import frames
from models.store import Store, Watermark
from tests.models.samples import NOW, rows_of


def die_at(fragment: str) -> None:
    """Kill this process just before a statement that holds ``fragment``; ``COMMIT`` is before a commit."""

    def before(_c: object, _cursor: object, statement: str, *_rest: object) -> None:
        if fragment in statement:
            os.kill(os.getpid(), signal.SIGKILL)

    def commit(_connection: object) -> None:
        if fragment == "COMMIT":
            os.kill(os.getpid(), signal.SIGKILL)

    sa.event.listen(sa.Engine, "before_cursor_execute", before)
    sa.event.listen(sa.Engine, "commit", commit)


def main(url: str, segments: str, work: str, fragment: str) -> None:
    if work == "open":
        die_at(fragment)
    store = Store.open(url, segments=Path(segments))
    die_at(fragment)
    if work == "land":
        mark = Watermark("hubspot", "accounts", NOW)
        store.land({"accounts": rows_of(frames.Accounts)}, run_id="run", loaded_at=NOW, watermark=mark)
    if work == "add_usage":
        store.add_usage("usage.csv", "v1", rows_of(frames.Usage), "run")


if __name__ == "__main__":
    main(*sys.argv[1:])
