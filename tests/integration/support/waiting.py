"""Waiting for something to become true, within a deadline and never by a blind sleep.

What a client has seen does not mean that counters, log lines and the other side's records are there
already: they are written behind the answer. Whoever asserts on them waits for them.
"""

import time

# Seconds: far more than any wait needs, so only a fault ever uses it up. It stays below the
# defaults of the timeouts that tests replace (30 s and more), or nobody would notice that a setting
# is ignored.
PATIENCE = 20.0
# For the settings whose default is 10 s: client_header, tls_handshake, connect.
PATIENCE_BELOW_10_S = 8.0
_PAUSE = 0.005


def wait_until(condition, what, within=PATIENCE, pause=_PAUSE):
    """Polls `condition` until it returns something true, and returns that. `what` is a text, or a
    function that makes one when the wait was in vain. `pause`, in seconds, is longer for questions
    that give the proxy work to do."""
    deadline = time.monotonic() + within
    while True:
        # Asked once more behind the deadline: a machine that stood still is no reason to fail.
        is_last = time.monotonic() > deadline
        value = condition()
        if value:
            return value
        if is_last:
            raise AssertionError(f"waited {within} s in vain until "
                                 f"{what() if callable(what) else what}")
        time.sleep(pause)


def wait_until_steady(value, still_for=0.5, within=PATIENCE):
    """Polls `value` until it has not changed for `still_for` seconds, and returns it. On a busy
    machine it may only pause: good for upper bounds, not for final values."""
    deadline = time.monotonic() + within
    last, since = value(), time.monotonic()
    while time.monotonic() - since < still_for:
        if time.monotonic() > deadline:
            raise AssertionError(f"still changing after {within} s: {last}")
        time.sleep(_PAUSE)
        current = value()
        if current != last:
            last, since = current, time.monotonic()
    return last


def wait_for_event(event):
    """In a target's script: until the test sets it. Longer than the test itself waits for anything,
    so that the side which is at fault is the one that says so."""
    assert event.wait(3 * PATIENCE), "nobody let the target go on"
