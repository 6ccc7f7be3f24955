"""A process that asks one emulated portal as fast as it may: ``python -m benchmarks.asking '{...}'``.

Says ``ready``, starts when a line comes in, and ends after ``seconds`` with what it counted, as a line of JSON.
"""

import json
import sys
import threading
import time
from pathlib import Path
from typing import Any

from flows import processes
from integrations.crm import CallCounter
from integrations.hubspot.fields import HubSpotConfig
from integrations.hubspot.wire import Portal
from models.shared import SharedFile


def main(*, url: str, token: str, shared: str, limit: int, window_s: float, seconds: float, threads: int) -> None:
    settings: dict[str, Any] = {"base_url": url, "access_token": token, "connections": threads}
    config = HubSpotConfig.model_validate({**settings, "requests_per_10s": limit, "window_s": window_s})
    between = SharedFile(
        Path(shared), holder=processes.holder("asker"), is_gone=processes.is_gone, clock=time.monotonic
    )
    calls = CallCounter()
    portal = Portal(config, calls, shared=between)
    print("ready", flush=True)
    sys.stdin.readline()
    until = time.monotonic() + seconds
    asking = [threading.Thread(target=ask, args=(portal, until)) for _ in range(threads)]
    for each in asking:
        each.start()
    for each in asking:
        each.join()
    portal.close()
    print(json.dumps({"read": calls.read, **calls.told()}), flush=True)


def ask(portal: Portal, until: float) -> None:
    while time.monotonic() < until:
        portal.get(portal.area("owners"), {"limit": "1"})


if __name__ == "__main__":
    main(**json.loads(sys.argv[1]))
