"""Name servers: dnsmasq for what a real one does, and one of our own for what that cannot be made to
do: silence, failures, answers cut off, answers nobody asked for."""

import os
import shutil
import signal
import socket
import struct
import subprocess
import threading

import dnslib

from support.ports import free_port
from support.waiting import PATIENCE, wait_until


def ask(port, name, kind="A"):
    """The answer of a name server of 127.0.0.1, over UDP; None when none came."""
    try:
        data = dnslib.DNSRecord.question(name, kind).send("127.0.0.1", port, timeout=1)
    except OSError:
        return None
    return dnslib.DNSRecord.parse(data)


class Dnsmasq:
    """Answers for the domain `test` alone, out of a file of hosts. `services`: (name, target, port,
    priority, weight)."""

    def __init__(self, folder, *, services=(), ttl=1):
        binary = shutil.which("dnsmasq", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        assert binary, "there is no dnsmasq: scripts/install-packages test"
        folder.mkdir(parents=True, exist_ok=True)
        self._hosts = folder / "hosts"
        self._hosts.write_text("127.0.0.9 ready.test\n")
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        arguments = [
            "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
            "--bind-interfaces", "--listen-address=127.0.0.1", f"--port={self.port}",
            "--local=/test/", f"--local-ttl={ttl}", f"--addn-hosts={self._hosts}", "--pid-file",
            "--log-facility=-"]
        arguments += [f"--srv-host={','.join(map(str, service))}" for service in services]
        if os.geteuid() == 0:
            arguments.append("--user=root")  # the folder of a test is for its user alone
        self._log = open(folder / "dnsmasq.log", "wb")
        self._process = subprocess.Popen([binary, *arguments], stdin=subprocess.DEVNULL,
                                         stdout=self._log, stderr=self._log)
        wait_until(lambda: self._addresses("ready.test") == {"127.0.0.9"}, "dnsmasq answers")

    def publish(self, **names):
        """`api=["127.0.0.1"]`: these addresses for api.test, and nothing else for any name."""
        lines = [f"{address} {name}.test" for name, those in names.items() for address in those]
        self._hosts.write_text("\n".join(["127.0.0.9 ready.test", *lines, ""]))
        self._process.send_signal(signal.SIGHUP)
        for name, those in names.items():
            wait_until(lambda name=name, those=those: self._count(f"{name}.test") == len(those),
                       f"dnsmasq has read {name}.test anew")

    def forget(self, *names):
        self.publish()
        for name in names:
            wait_until(lambda name=name: self._count(f"{name}.test") == 0,
                       f"dnsmasq has forgotten {name}.test")

    def close(self):
        self._process.kill()
        self._process.wait()
        self._log.close()

    def _addresses(self, name):
        answer = ask(self.port, name)
        return {str(each.rdata) for each in answer.rr} if answer else set()

    def _count(self, name):
        query = dnslib.DNSRecord.question(name, "A")
        try:
            data = query.send("127.0.0.1", self.port, tcp=True, timeout=1)
        except OSError:
            return None
        return len(dnslib.DNSRecord.parse(data).rr)


class NameServer:
    """UDP and TCP on one port of 127.0.0.1. `answer(question, over_tcp)` returns the messages to
    send, as bytes; none: silence. It may be replaced at any time."""

    def __init__(self, answer):
        self.answer = answer
        self.questions = []  # (name, type, over TCP)
        self.failures = []
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._tcp.bind(("127.0.0.1", self.port))
        self._tcp.listen(16)
        self._closing = False
        self._threads = [threading.Thread(target=each, daemon=True)
                         for each in (self._serve_udp, self._serve_tcp)]
        for thread in self._threads:
            thread.start()

    def close(self):
        self._closing = True
        for each in (self._udp, self._tcp):
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join(PATIENCE)
        self._udp.close()
        self._tcp.close()
        if self.failures:
            raise self.failures[0]

    def _answers(self, data, over_tcp):
        try:
            question = dnslib.DNSRecord.parse(data)
            messages = self.answer(question, over_tcp)
            self.questions.append((str(question.q.qname), dnslib.QTYPE[question.q.qtype], over_tcp))
            return messages
        except Exception as failure:  # noqa: BLE001: shown by `close`
            self.failures.append(failure)
            return []

    def _serve_udp(self):
        while not self._closing:
            try:
                data, peer = self._udp.recvfrom(4096)
            except OSError:
                return
            if not data:
                continue
            for message in self._answers(data, False):
                self._udp.sendto(message, peer)

    def _serve_tcp(self):
        while not self._closing:
            try:
                accepted, _ = self._tcp.accept()
            except OSError:
                return
            with accepted:
                accepted.settimeout(2 * PATIENCE)
                try:
                    self._serve_connection(accepted)
                except OSError:
                    pass

    def _serve_connection(self, accepted):
        wire = accepted.makefile("rb")
        while len(head := wire.read(2)) == 2:
            (size,) = struct.unpack("!H", head)
            messages = self._answers(wire.read(size), True)
            if not messages:
                return  # closed without an answer
            for message in messages:
                accepted.sendall(struct.pack("!H", len(message)) + message)


def reply_with(*addresses, ttl=1, truncate=False):
    """A script: these addresses for any name; over UDP nothing but the truncated flag, if so."""

    def answer(question, over_tcp):
        reply = question.reply()
        if truncate and not over_tcp:
            reply.header.tc = 1
        elif question.q.qtype == dnslib.QTYPE.A:
            for address in addresses:
                reply.add_answer(dnslib.RR(question.q.qname, dnslib.QTYPE.A, ttl=ttl,
                                           rdata=dnslib.A(address)))
        return [reply.pack()]

    return answer


def reply_with_code(code):
    def answer(question, _over_tcp):
        reply = question.reply()
        reply.header.rcode = getattr(dnslib.RCODE, code)
        return [reply.pack()]

    return answer


def stay_silent(_question, _over_tcp):
    return []


def cut_off(question, over_tcp):
    """Truncated over UDP, and the connection closed without an answer."""
    return [] if over_tcp else reply_with(truncate=True)(question, over_tcp)


def reply_with_garbage(question, over_tcp):
    """Forged and broken answers that would lead to 127.0.0.66, and never the right one."""
    true = reply_with("127.0.0.66")(question, over_tcp)[0]
    other_id = struct.pack("!H", (question.header.id + 1) % 65536) + true[2:]
    other_name = dnslib.DNSRecord.question("other.test", "A")
    other_name.header.id = question.header.id
    forged = reply_with("127.0.0.66")(other_name, over_tcp)[0]
    # Names that point to themselves, counts of records that are not there.
    loop = true[:12] + b"\xc0\x0c" + true[14:]
    return [b"", b"\0", other_id, forged, loop, true[:2] + b"\xff" * 60]


def reply_with_broken_records(question, over_tcp):
    """The right id and question, and then less than the counts promise."""
    true = bytearray(reply_with("127.0.0.66")(question, over_tcp)[0])
    true[6:8] = b"\x03\xe7"  # 999 answers
    return [bytes(true)]
