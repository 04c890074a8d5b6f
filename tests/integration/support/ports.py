"""Free ports for a server that must be told its port before it starts.

Several test programs may run at a time (ctest does that). Between the moment when a port was found
free and the moment when the server binds it, nobody else may take it, or two proxies would meet on
one port. So each program owns a block of ports, and no other one even looks at them.
"""

import itertools
import random
import socket

# Below the kernel's ephemeral range (32768 and up): no outgoing connection of a test, or of the
# proxy, can take one of them, and nobody who connects to a closed one can meet itself there.
_RANGE = range(10_000, 32_000)
_BLOCK = 1_000


def is_free(port, host="127.0.0.1"):
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def _claimed(block):
    """Whether this program owns the block from here on. The claim is a name in the kernel's
    abstract namespace: it belongs to one socket at a time and goes with the process, however that
    ends."""
    claim = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        claim.bind(f"\0sluice-tests-ports-{block.start}")
    except OSError:
        claim.close()
        return False
    _claims.append(claim)
    return True


def _own_ports():
    """Round and round through one block: a port comes again when its former user is long gone."""
    blocks = [_RANGE[start:start + _BLOCK] for start in range(0, len(_RANGE), _BLOCK)]
    random.shuffle(blocks)
    own = next((block for block in blocks if _claimed(block)), None)
    assert own is not None, f"{len(blocks)} other test programs have taken all ports"
    yield from itertools.cycle(own)


_claims = []
_candidates = _own_ports()


def free_port():
    port = next((each for each in itertools.islice(_candidates, _BLOCK) if is_free(each)), None)
    assert port is not None, f"none of {_BLOCK} ports is free"
    return port
