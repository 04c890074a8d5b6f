"""Keys and JSON Web Tokens by python3-cryptography and python3-jwt, and the server of a key set."""

import base64
import json
import time

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from support.certificates import server_context
from support.target import response, serve

ISSUER = "https://idp.test"
AUDIENCE = "shop"


def _encoded(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


class Key:
    """A pair of keys for one algorithm, by its name in JOSE."""

    def __init__(self, algorithm="ES256", kid="first"):
        self.algorithm = algorithm
        self.kid = kid
        if algorithm.startswith(("RS", "PS")):
            self.private = rsa.generate_private_key(65537, 2048)
        elif algorithm == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.generate()
        else:
            curve = {"ES256": ec.SECP256R1, "ES384": ec.SECP384R1, "ES512": ec.SECP521R1}[algorithm]
            self.private = ec.generate_private_key(curve())

    def jwk(self, **more):
        public = self.private.public_key()
        if isinstance(public, rsa.RSAPublicKey):
            numbers = public.public_numbers()
            key = {"kty": "RSA", "n": _encoded(numbers.n.to_bytes(256, "big")), "e": "AQAB"}
        elif isinstance(public, ed25519.Ed25519PublicKey):
            raw = public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
            key = {"kty": "OKP", "crv": "Ed25519", "x": _encoded(raw)}
        else:
            numbers, size = public.public_numbers(), (public.key_size + 7) // 8
            key = {"kty": "EC", "crv": f"P-{public.key_size}",
                   "x": _encoded(numbers.x.to_bytes(size, "big")),
                   "y": _encoded(numbers.y.to_bytes(size, "big"))}
        return {**key, "kid": self.kid, "use": "sig", **more}

    def token(self, headers=None, key=None, algorithm=None, **claims):
        """Valid for an hour unless `claims` say otherwise; a claim of None is left out."""
        now = int(time.time())
        all_claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": now + 3600, **claims}
        return jwt.encode({name: value for name, value in all_claims.items() if value is not None},
                          key or self.private, algorithm=algorithm or self.algorithm,
                          headers={"kid": self.kid, **(headers or {})})

    def public_pem(self):
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_set(*keys):
    return json.dumps({"keys": [key if isinstance(key, dict) else key.jwk() for key in keys]})


def bearer(token):
    return ("Authorization", f"Bearer {token}")


class KeyServer:
    """Answers with `text`, which may change; a number answers with that status instead."""

    def __init__(self, start_target, certificate, text, port=0):
        self.text = text
        self.target = start_target(serve(lambda _: self._answer()),
                                   tls=server_context(certificate), port=port)
        self.port = self.target.port

    def _answer(self):
        if isinstance(self.text, int):
            return response(b"", status=self.text)
        return response(self.text.encode(), ("Content-Type", "application/json"))

    @property
    def fetches(self):
        return len(self.target.requests)
