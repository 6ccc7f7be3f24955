"""A refresh token in a file that its user made for it: the one secret that plansync must write, since it may change.

Where tokens rotate, each use gives a new one and voids the old: a token that is not kept locks everybody out. The file
is the user's own choice, named in the settings; it is replaced whole, readable by its owner alone.
"""

import fcntl
import logging
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from flows.settings import SettingsError

logger = logging.getLogger(__name__)


class SecretFile:
    """``integrations.tokens.RefreshToken`` in a file. Processes of one machine use it in turn."""

    def __init__(self, path: Path) -> None:
        self._path = path.resolve()  # a link, as Kubernetes mounts them, stays where it is
        self._unkept: str | None = None

    @contextmanager
    def held(self) -> Iterator[str]:
        """The newest token, while no other process uses it.

        Raises:
            SettingsError: The file cannot be read or is empty.
        """
        with self._alone():
            yield self._unkept or self._read()

    def replace(self, token: str) -> None:
        """Keep ``token``: on disk before this returns. Where that fails, this process goes on with it alone.

        The old token is void by then, so that stopping would help nobody; the log says what to do.
        """
        try:
            self._write(token)
            self._unkept = None
        except OSError as error:
            self._unkept = token
            fix = "make its folder writable and authorise the app anew before the next run"
            logger.error("%s: the new refresh token cannot be kept (%s): %s", self._path, error.strerror, fix)

    def problem(self) -> str | None:
        """Why a new token would be lost, or the file is open to others; None if all is well."""
        if not os.access(self._path.parent, os.W_OK):
            return f"{self._path}: its folder cannot be written"
        with suppress(OSError):
            if self._path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
                return f"{self._path} can be read by others: chmod 600"
        return None

    def _read(self) -> str:
        try:
            token = self._path.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"{self._path}: the refresh token cannot be read: {type(error).__name__}") from None
        if not token:
            raise SettingsError(f"{self._path}: holds no refresh token")
        return token

    def _write(self, token: str) -> None:
        part = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            with os.fdopen(file, "w") as written:
                written.write(token + "\n")
                written.flush()
                os.fsync(written.fileno())
            part.replace(self._path)
        except BaseException:
            part.unlink(missing_ok=True)
            raise
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Hold the lock beside the file, where its folder lets us; it ends with the process at the latest."""
        lock = self._path.with_name(f".{self._path.name}.lock")
        try:
            file = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError:
            yield  # a folder that cannot be written: `problem` says so
            return
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
        finally:
            os.close(file)
