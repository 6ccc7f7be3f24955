"""A file is the old or the new, never half: whoever reads, whenever the writer dies."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from integrations.delivery.files import write_whole

SIZE = 300_000
WRITER = """
import sys
from itertools import count
from pathlib import Path
from integrations.delivery.files import write_whole
for number in count():
    write_whole(Path(sys.argv[1]), bytes([65 + number % 26]) * {size})
    print(number, flush=True)
"""


def is_whole(content: bytes) -> bool:
    return len(content) == SIZE and len(set(content)) == 1


def test_a_reader_never_sees_half_a_file_while_the_writer_is_killed_again_and_again(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_whole(path, b"A" * SIZE)
    done, bad, reads = threading.Event(), [], []

    def read() -> None:
        while not done.is_set():
            content = path.read_bytes()
            reads.append(1)
            if not is_whole(content):
                bad.append(len(content))

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(6):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER.format(size=SIZE), str(path)], stdout=subprocess.PIPE, cwd=Path.cwd()
        )
        assert writer.stdout
        writer.stdout.readline()
        time.sleep(0.01 + 0.007 * number)
        writer.kill()
        writer.wait()
        writer.stdout.close()
    done.set()
    reader.join()
    assert not bad
    assert len(reads) > 20
    assert is_whole(path.read_bytes())


def test_nothing_is_left_beside_the_file(tmp_path: Path) -> None:
    write_whole(tmp_path / "new" / "a.txt", b"one")
    write_whole(tmp_path / "new" / "a.txt", b"two")
    assert {each.name: each.read_bytes() for each in (tmp_path / "new").iterdir()} == {"a.txt": b"two"}


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        write_whole(tmp_path / "taken", b"x")
    assert [each.name for each in tmp_path.iterdir()] == ["taken"]


def test_the_file_may_be_read_as_the_umask_says(tmp_path: Path) -> None:
    write_whole(tmp_path / "a.txt", b"x")
    (tmp_path / "b.txt").write_bytes(b"x")
    modes = {os.stat(tmp_path / name).st_mode for name in ("a.txt", "b.txt")}
    assert len(modes) == 1
