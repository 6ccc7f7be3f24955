"""Run as a program: one of several workers that take turns and claim effects, and print what they got as JSON."""

import json
import sys
import time
from datetime import timedelta
from pathlib import Path

from models.records import Outcome
from models.store import Store
from tests.models.samples import NOW


def main(url: str, segments: str, name: str, start_at: str) -> None:
    claimed: list[str] = []
    with Store.open(url, segments=Path(segments)) as store:
        waiting = [write.effect_key for write in store.pending("hubspot")]
        time.sleep(max(0.0, float(start_at) - time.time()))
        has_lease = store.acquire_lease("sync", name, NOW, 60)
        order = waiting if name == "a" else waiting[::-1]
        for start in range(0, len(order), 20):
            mine = store.mark_sending(order[start : start + 20], name, NOW)
            store.settle([Outcome(key, f"crm-{key}", True) for key in mine], NOW + timedelta(seconds=1))
            claimed += mine
    print(json.dumps({"has_lease": has_lease, "claimed": claimed}))


if __name__ == "__main__":
    main(*sys.argv[1:])
