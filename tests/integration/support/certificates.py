"""Certificates made by the openssl program, and Python's TLS contexts that use them."""

import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support.waiting import PATIENCE


@dataclass
class Certificate:
    cert: Path
    key: Path

    def as_config(self, **more):
        return {"cert": str(self.cert), "key": str(self.key), **more}

    def copy_to(self, folder, stem="site"):
        """Under other names, to be changed in place later: a file each at once, the key first."""
        copy = Certificate(Path(folder) / f"{stem}.crt", Path(folder) / f"{stem}.key")
        for source, goal in ((self.key, copy.key), (self.cert, copy.cert)):
            fresh = goal.with_suffix(goal.suffix + ".new")
            fresh.write_bytes(source.read_bytes())
            fresh.chmod(0o600)
            fresh.rename(goal)
        return copy


def _openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True,
                   timeout=4 * PATIENCE)


class Authority:
    """A certificate authority in a folder of its own."""

    def __init__(self, folder, name="authority"):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.cert = self.folder / f"{name}.crt"
        self._key = self.folder / f"{name}.key"
        self._lists = 0
        _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                 "-days", 30, "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.cert,
                 "-addext", "basicConstraints=critical,CA:true",
                 "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, *names, file_name=None, key="ec", days=30, usage="serverAuth"):
        """A leaf for these DNS names or addresses. Each call makes a new key, `ec` or `rsa`."""
        stem = file_name or names[0].replace("*", "wildcard")
        leaf = Certificate(self.folder / f"{stem}.crt", self.folder / f"{stem}.key")
        request = self.folder / f"{stem}.csr"
        extensions = self.folder / f"{stem}.ext"
        kinds = ["IP" if name.replace(".", "").isdigit() else "DNS" for name in names]
        alternatives = ",".join(f"{kind}:{name}" for kind, name in zip(kinds, names))
        extensions.write_text(f"subjectAltName={alternatives}\nbasicConstraints=CA:false\n"
                              f"extendedKeyUsage={usage}\n")
        kind = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"],
                "rsa": ["-newkey", "rsa:2048"]}[key]
        _openssl("req", "-new", *kind, "-nodes",
                 "-subj", f"/CN={names[0]}", "-keyout", leaf.key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self.cert, "-CAkey", self._key,
                 "-CAcreateserial", "-days", days, "-extfile", extensions, "-out", leaf.cert)
        return leaf

    def revoke(self, *leaves):
        """A revocation list, in a file of its own each time."""
        database = self.folder / "revoked"
        (database.with_suffix(".attr")).write_text("unique_subject = no\n")
        database.write_text("")
        settings = self.folder / "revoke.cnf"
        settings.write_text("[ca]\ndefault_ca = this\n[this]\n"
                            f"database = {database}\ncertificate = {self.cert}\n"
                            f"private_key = {self._key}\ndefault_md = sha256\n"
                            "default_crl_days = 30\n")
        for leaf in leaves:
            _openssl("ca", "-config", settings, "-revoke", leaf.cert)
        self._lists += 1
        crl = self.folder / f"revoked-{self._lists}.crl"
        _openssl("ca", "-config", settings, "-gencrl", "-out", crl)
        return crl

    def ocsp(self, certificate, file_name, *options, revoked=False):
        """An OCSP answer about a leaf, in DER, good for a day. `options` go to `openssl ocsp`."""
        index = self.folder / f"{file_name}.index"
        answer = self.folder / f"{file_name}.der"
        request = self.folder / f"{file_name}.req"
        serial = subprocess.run(["openssl", "x509", "-in", certificate.cert, "-noout", "-serial"],
                                check=True, capture_output=True, text=True).stdout
        serial = serial.strip().partition("=")[2]
        state, when = ("R", "250101000000Z") if revoked else ("V", "")
        index.write_text(f"{state}\t491231235959Z\t{when}\t{serial}\tunknown\t/CN=leaf\n")
        _openssl("ocsp", "-issuer", self.cert, "-cert", certificate.cert, "-reqout", request,
                 "-no_nonce")
        _openssl("ocsp", "-index", index, "-rsigner", self.cert, "-rkey", self._key,
                 "-CA", self.cert, "-reqin", request, "-respout", answer,
                 *(options or ("-ndays", "1")))
        return answer

    def client_context(self, version=None, alpn=None, certificate=None):
        """Trusts this authority only. `certificate`: what it shows when it is asked."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(self.cert)
        if version:
            context.minimum_version = context.maximum_version = version
        if alpn:
            context.set_alpn_protocols(alpn)
        if certificate:
            context.load_cert_chain(certificate.cert, certificate.key)
        return context


def server_context(certificate):
    """For targets that speak TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.cert, certificate.key)
    return context


def serial_of(tls_socket):
    """Tells certificates apart: the peer's serial number."""
    return tls_socket.getpeercert()["serialNumber"]
