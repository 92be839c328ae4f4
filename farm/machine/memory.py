"""Floor 4: the memory of a machine, as a stream through a socket to and from a file.

QEMU reads and writes it in the form of its migration, which is good for the same version of QEMU
and the same hardware. Here it is bytes.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from farm.base.errors import FarmFault, WaitTimeout

_CHUNK = 2**20


class Receiver:
    """Takes one stream from a socket into a file, in a thread of its own.

    :param socket_path: where it listens, as long as the block of :func:`receiving` runs.
    """

    def __init__(self, listener: socket.socket, socket_path: Path, to: Path) -> None:
        self.socket_path = socket_path
        self._listener = listener
        self._to = to
        self._trouble: OSError | None = None
        self._thread = threading.Thread(target=self._take, name="machine memory", daemon=True)
        self._thread.start()

    def _take(self) -> None:
        try:
            connection, _ = self._listener.accept()
            with connection, connection.makefile("rb") as stream, self._to.open("wb") as file:
                shutil.copyfileobj(stream, file, _CHUNK)
        except OSError as error:
            self._trouble = error

    def has_all(self, *, within: timedelta) -> bool:
        """Wait for the end of the stream; says whether it has come.

        :raises FarmFault: when it cannot be written.
        """
        self._thread.join(within.total_seconds())
        if self._trouble:
            raise FarmFault(f"The memory of a machine cannot be written to {self._to}: "
                            f"{self._trouble.strerror}.")  # fmt: skip
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop waiting for a stream that has not begun."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()


@contextlib.contextmanager
def receiving(to: Path) -> Iterator[Receiver]:
    """Listen on a socket, which is given away by the block, for what goes into a file."""
    # Beside other temporary files, because the path of a socket has to be short: unix(7).
    with tempfile.TemporaryDirectory(prefix="farm-memory-") as folder:
        path = Path(folder) / "socket"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(str(path))
            listener.listen(1)
            receiver = Receiver(listener, path, to)
            try:
                yield receiver
            finally:
                receiver.close()


def send(memory: Path, *, to: Path, timeout: timedelta) -> None:
    """Write a file to a socket that somebody listens on.

    :raises WaitTimeout: when it is not taken in time.
    :raises FarmFault: when nobody takes it to its end.
    """
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection,
        memory.open("rb") as file,
    ):
        connection.settimeout(timeout.total_seconds())
        try:
            connection.connect(str(to))
            connection.sendfile(file)
        except TimeoutError as error:
            raise WaitTimeout(f"A machine has not taken its memory after {timeout}.") from error
        except OSError as error:
            raise FarmFault(
                f"A machine does not take its memory from {memory}: {error.strerror}."
            ) from error
