"""Pretended services of AWS: EC2 (DescribeInstances), STS, and the metadata services of an instance
and of a container. Signatures are checked by botocore, AWS's own library.

Every service is a scripted target on loopback. What they say may be changed while they run.
"""

import json
import secrets
import time
from dataclasses import dataclass, field
from datetime import datetime, timezone
from email.utils import formatdate
from urllib.parse import parse_qs
from xml.sax.saxutils import escape

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from support.certificates import server_context
from support.target import response, serve

REGION = "eu-west-1"
_CLOCK_TOLERANCE = 300


def timestamp(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


@dataclass
class Keys:
    """Temporary credentials. `id` and the others are unlike anything else that a log may have."""
    lifetime: float = 3600
    id: str = field(default_factory=lambda: "ASIA" + secrets.token_hex(8).upper())
    secret: str = field(default_factory=lambda: "sec+" + secrets.token_hex(18) + "/x=")
    token: str = field(default_factory=lambda: "tok+" + secrets.token_hex(100) + "/y==")

    def __post_init__(self):
        self.expires = time.time() + self.lifetime

    def secrets(self):
        return [self.id, self.secret, self.token]

    def environment(self):
        return {"AWS_ACCESS_KEY_ID": self.id, "AWS_SECRET_ACCESS_KEY": self.secret,
                "AWS_SESSION_TOKEN": self.token}

    def document(self):
        return json.dumps({"Code": "Success", "Type": "AWS-HMAC", "AccessKeyId": self.id,
                           "SecretAccessKey": self.secret, "Token": self.token,
                           "Expiration": timestamp(self.expires)}).encode()


@dataclass
class Instance:
    address: str
    tags: dict
    id: str = field(default_factory=lambda: "i-" + secrets.token_hex(8))
    state: str = "running"
    zone: str = REGION + "a"

    _CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64,
              "stopped": 80}

    def xml(self):
        tags = "".join(f"<item><key>{escape(key)}</key><value>{escape(value)}</value></item>"
                       for key, value in self.tags.items())
        return (f"<item><reservationId>r-{self.id}</reservationId><instancesSet><item>"
                f"<instanceId>{self.id}</instanceId>"
                f"<instanceState><code>{self._CODES[self.state]}</code><name>{self.state}</name>"
                f"</instanceState><privateIpAddress>{self.address}</privateIpAddress>"
                f"<placement><availabilityZone>{self.zone}</availabilityZone></placement>"
                f"<tagSet>{tags}</tagSet></item></instancesSet></item>")


def _answer(body, status=200, ahead=0):
    return response(body if isinstance(body, bytes) else body.encode(),
                    ("Date", formatdate(time.time() + ahead, usegmt=True)),
                    ("Content-Type", "text/xml;charset=UTF-8"), status=status)


def _error(code, status, ahead=0, message="no"):
    return _answer(f'<?xml version="1.0"?><Response><Errors><Error><Code>{code}</Code>'
                   f"<Message>{escape(message)}</Message></Error></Errors>"
                   "<RequestID>1</RequestID></Response>", status, ahead)


class Ec2:
    """`keys` are the credentials it takes. `fault`, when it is set, makes the answer instead: a
    function of the request. `ahead`: its clock before ours, in seconds."""

    def __init__(self, start_target, *keys, page_size=100, region=REGION, certificate=None):
        self.keys = list(keys)
        self.page_size = page_size
        self.region = region
        self.instances = []
        self.fault = None
        self.ahead = 0
        self.polls = 0     # complete lists that were handed out
        self.refused = []  # codes of errors
        tls = None if certificate is None else server_context(certificate)
        self.target = start_target(serve(self._respond), tls=tls)
        self.url = f"https://localhost:{self.target.port}" if tls else \
            f"http://{self.target.address}"

    @property
    def calls(self):
        return len(self.target.requests)

    def _respond(self, request):
        if self.fault is not None:
            made = self.fault(request)
            if made is not None:
                return made
        code = self._refusal(request)
        if code is not None:
            self.refused.append(code)
            # What a careless service says: nothing of it may be repeated.
            return _error(code, 400, self.ahead, "The canonical string should have been: "
                          + request.head.decode("latin-1"))
        return self._describe(parse_qs(request.body.decode(), strict_parsing=True))

    def _refusal(self, request):
        asked = datetime.strptime(request.value("X-Amz-Date"), "%Y%m%dT%H%M%SZ")
        asked = asked.replace(tzinfo=timezone.utc).timestamp()
        if abs(asked - (time.time() + self.ahead)) > _CLOCK_TOLERANCE:
            return "RequestExpired"
        authorization = request.value("Authorization")
        keys = next((each for each in self.keys if f"Credential={each.id}/" in authorization), None)
        if keys is None or keys.expires < time.time():
            return "RequestExpired"
        if not signed_by(request, keys, self.region):
            return "SignatureDoesNotMatch"
        return None

    def _describe(self, form):
        assert form["Action"] == ["DescribeInstances"] and form["Version"] == ["2016-11-15"]
        found = sorted((each for each in self.instances if _passes(each, form)),
                       key=lambda each: each.id)
        first = int(form.get("NextToken", ["page=0"])[0].removeprefix("page="))
        size = min(self.page_size, int(form["MaxResults"][0]))
        body = "".join(each.xml() for each in found[first:first + size])
        token = ""
        if first + size < len(found):
            token = f"<nextToken>page={first + size}</nextToken>"
        else:
            self.polls += 1
        return _answer('<?xml version="1.0" encoding="UTF-8"?>\n<DescribeInstancesResponse '
                       'xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId>'
                       f"<reservationSet>{body}</reservationSet>{token}"
                       "</DescribeInstancesResponse>", ahead=self.ahead)


def _passes(instance, form):
    number = 1
    while f"Filter.{number}.Name" in form:
        name = form[f"Filter.{number}.Name"][0]
        values = [texts[0] for key, texts in form.items()
                  if key.startswith(f"Filter.{number}.Value.")]
        has = instance.state if name == "instance-state-name" else \
            instance.tags.get(name.removeprefix("tag:"))
        if has not in values:
            return False
        number += 1
    return number > 1


def signed_by(request, keys, region):
    """Whether botocore signs the same request the same way."""
    authorization = request.value("Authorization")
    signed = authorization.partition("SignedHeaders=")[2].partition(",")[0].split(";")
    needed = {"content-type", "host", "x-amz-date", "x-amz-security-token"}
    assert needed <= set(signed), signed
    assert request.value("X-Amz-Security-Token") == keys.token
    again = AWSRequest(request.method, f"http://{request.value('Host')}{request.target}",
                       headers={name: request.value(name) for name in signed}, data=request.body)
    again.context["timestamp"] = request.value("X-Amz-Date")
    signer = SigV4Auth(Credentials(keys.id, keys.secret, keys.token), "ec2", region)
    text = signer.string_to_sign(again, signer.canonical_request(again))
    expected = (f"AWS4-HMAC-SHA256 Credential={signer.scope(again)}, "
                f"SignedHeaders={';'.join(signed)}, Signature={signer.signature(text, again)}")
    return authorization == expected


def throttled(_request):
    return _error("RequestLimitExceeded", 503)


def unauthorized(_request):
    return _error("UnauthorizedOperation", 403)


def broken(_request):
    return _error("InternalError", 500)


def body_of(text):
    return lambda _request: _answer(text)


class Imds:
    """Version 2 only: what comes without a token that it gave out is refused. `keys`: of the role;
    None: there is no role."""

    def __init__(self, start_target, keys=None, region=REGION):
        self.keys = keys
        self.region = region
        self.tokens = []
        self.fault = None
        self.target = start_target(serve(self._respond))
        self.environment = {"AWS_EC2_METADATA_SERVICE_ENDPOINT": f"http://{self.target.address}"}

    def _respond(self, request):
        if self.fault is not None:
            return _answer("", self.fault)
        if request.target == "/latest/api/token":
            if request.method != "PUT" or request.value("X-Forwarded-For") is not None:
                return _answer("", 403)
            assert 1 <= int(request.value("X-aws-ec2-metadata-token-ttl-seconds")) <= 21600
            self.tokens.append("imds+" + secrets.token_hex(20) + "==")
            return _answer(self.tokens[-1])
        if request.method != "GET" or request.value("X-aws-ec2-metadata-token") not in self.tokens:
            return _answer("", 401)
        roles = "/latest/meta-data/iam/security-credentials/"
        if request.target == "/latest/meta-data/placement/region":
            return _answer(self.region)
        if self.keys is not None and request.target == roles:
            return _answer("proxy-role")
        if self.keys is not None and request.target == roles + "proxy-role":
            return _answer(self.keys.document())
        return _answer("", 404)


class Sts:
    """AssumeRoleWithWebIdentity: `keys` for whoever shows `identity`, which is read at each call."""

    def __init__(self, start_target, keys, identity):
        self.keys = keys
        self.identity = identity
        self.target = start_target(serve(self._respond))
        self.environment = {"AWS_ENDPOINT_URL_STS": f"http://{self.target.address}"}

    def _respond(self, request):
        form = parse_qs(request.body.decode(), strict_parsing=True)
        assert request.value("Authorization") is None
        assert form["Action"] == ["AssumeRoleWithWebIdentity"]
        assert form["Version"] == ["2011-06-15"] and form["RoleSessionName"][0]
        if form["WebIdentityToken"] != [self.identity]:
            return _answer("<ErrorResponse><Error><Code>InvalidIdentityToken</Code><Message>"
                           f"{form['WebIdentityToken'][0]}</Message></Error></ErrorResponse>", 400)
        return _answer(
            "<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials>"
            f"<AccessKeyId>{self.keys.id}</AccessKeyId>"
            f"<SecretAccessKey>{self.keys.secret}</SecretAccessKey>"
            f"<SessionToken>{self.keys.token}</SessionToken>"
            f"<Expiration>{timestamp(self.keys.expires)}</Expiration></Credentials>"
            "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>")


class ContainerAgent:
    """Credentials for whoever shows `authorization`."""

    def __init__(self, start_target, keys, authorization):
        self.keys = keys
        self.authorization = authorization
        self.target = start_target(serve(self._respond))
        self.environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://{self.target.address}/credentials"}

    def _respond(self, request):
        if request.value("Authorization") != self.authorization:
            return _answer("", 403)
        return _answer(self.keys.document())
