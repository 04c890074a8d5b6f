"""Every target is replaced, one after the other, under load and with WebSockets open: no request fails,
and every WebSocket is closed with a code that says why."""

import asyncio
import threading

import pytest
import websockets
from support.configuration import site
from support.load import Load
from support.target_process import TargetProcess
from support.waiting import wait_until

SOCKETS = 30


class WebSockets(threading.Thread):
    """Clients that talk all the time and connect again when they are closed."""

    def __init__(self, url):
        super().__init__()
        self.url = url
        self.codes = []
        self.echoes = 0
        self.failures = []
        self._stopping = False
        self._lock = threading.Lock()

    def run(self):
        asyncio.run(self._all())

    async def _all(self):
        await asyncio.gather(*(self._client(number) for number in range(SOCKETS)))

    async def _client(self, number):
        while not self._stopping:
            try:
                async with websockets.connect(self.url, ping_interval=None) as socket:
                    await self._talk(socket, number)
            except websockets.ConnectionClosed as closed:
                with self._lock:
                    self.codes.append(closed.rcvd.code if closed.rcvd else 1006)
            except Exception as failure:  # noqa: BLE001: the test reports it
                self.failures.append(repr(failure))
                return

    async def _talk(self, socket, number):
        while not self._stopping:
            text = f"{number} {self.echoes}"
            await socket.send(text)
            answer = await asyncio.wait_for(socket.recv(), 60)
            assert answer == text, (text, answer)
            with self._lock:
                self.echoes += 1
            await asyncio.sleep(0.02)

    def stop(self):
        self._stopping = True
        self.join()


def configuration(targets, number):
    config = site(*targets, workers=2)
    config["target_groups"][0].update(
        health_check={"path": "/", "interval": "1s", "timeout": "1s"},
        deregistration_delay="4s", websocket={"close_window": "2s"})
    # Says which of the reloads it was.
    config["listeners"][0]["rules"] = [
        {"name": f"step-{number}", "priority": 1, "conditions": [{"path": ["/none"]}],
         "action": {"fixed_response": {"status": 404}}}]
    return config


@pytest.fixture
def resources():
    opened = []
    yield opened
    for each in reversed(opened):
        each.close()


def test_all_targets_are_replaced_without_a_failed_request_or_a_lost_socket(start_sluice, resources,
                                                                            tmp_path):
    def start_process():
        resources.append(TargetProcess())
        return resources[-1]

    current = [start_process() for _ in range(3)]
    proxy = start_sluice(configuration(current, 0))
    proxy.wait_for_metric_value("sluice_targets", 3, state="healthy")
    sockets = WebSockets(f"ws://127.0.0.1:{proxy.port('web')}/ws")
    sockets.start()
    load = Load(f"http://127.0.0.1:{proxy.port('web')}/", tmp_path)
    resources.append(load)
    try:
        wait_until(lambda: sockets.echoes > 10 * SOCKETS, "all talk")
        for number in range(3):
            leaver, current[number] = current[number], start_process()
            proxy.reload(configuration(current, number + 1))
            # Registered and serving are two things; the leaver stops when nothing of it is left.
            proxy.wait_for_metric_value("sluice_targets", 3, state="healthy")
            proxy.wait_for_metric_value("sluice_targets", 0, state="draining")
            leaver.kill()
        before = sockets.echoes
        wait_until(lambda: sockets.echoes > before + 5 * SOCKETS, "they go on talking")
    finally:
        sockets.stop()
    requests, failures = load.stop()
    assert failures == 0, f"{failures} of {requests} requests failed"
    assert not sockets.failures
    # Each socket was on one of three targets, and those that were closed came to others.
    assert len(sockets.codes) >= SOCKETS
    assert set(sockets.codes) == {1012}
