"""Socket activation as systemd does it: listening sockets as descriptors 3, 4, ..., named by variables."""

import fcntl
import os
from contextlib import contextmanager

FIRST = 3  # SD_LISTEN_FDS_START


class _Passing:
    def __init__(self, activated):
        self.sources = [self._high_copy(each) for _, each in activated]
        self.descriptors = tuple(self.sources)
        self.environment = {}
        if activated:
            self.environment = {"LISTEN_FDS": str(len(activated)),
                                "LISTEN_FDNAMES": ":".join(name for name, _ in activated)}

    def wrapped(self, command):
        """A shell moves the descriptors to their places and sets LISTEN_PID, which must be the pid of the
        program itself: `exec` keeps the shell's."""
        if not self.sources:
            return command
        moves = " ".join(f"{FIRST + index}<&{source} {source}<&-"
                         for index, source in enumerate(self.sources))
        return ["/bin/bash", "-c", f'export LISTEN_PID=$$; exec "$@" {moves}', "bash",
                *map(str, command)]

    @staticmethod
    def _high_copy(each):
        """Far above the places they will move to."""
        return fcntl.fcntl(each.fileno(), fcntl.F_DUPFD, 64)


@contextmanager
def passed_sockets(activated):
    passing = _Passing(activated)
    try:
        yield passing
    finally:
        for descriptor in passing.sources:
            os.close(descriptor)
