"""Hashes by the programs with which people make them, and what a client sends."""

import base64
import subprocess
from functools import cache

# Below a second each, and long enough that a test sees them wait.
SLOW_COST = 13


def _output(*command, typed=""):
    done = subprocess.run(command, input=typed, capture_output=True, text=True, check=True,
                          timeout=60)
    return done.stdout.strip()


@cache
def bcrypt(password, cost=4):
    """htpasswd -B"""
    return _output("htpasswd", "-nbB", "-C", str(cost), "user", password).partition(":")[2]


@cache
def yescrypt(password):
    return _output("mkpasswd", "--stdin", "--method=yescrypt", "--rounds=1", typed=password)


@cache
def argon2id(password):
    return _output("argon2", "some salt", "-id", "-t", "2", "-k", "256", "-p", "2", "-e",
                   typed=password)


def basic(user, password):
    """The field Authorization."""
    return "Authorization", "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
