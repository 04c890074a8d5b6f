"""Programs of Node with packages from npm, spoken to in lines."""

import json
import os
import shutil
import subprocess


def install(folder, into, *names):
    """Copies the files of a test's folder, package.json among them, and installs its packages."""
    for name in ["package.json", *names]:
        shutil.copy(folder / name, into)
    subprocess.run(["npm", "install", "--no-package-lock", "--no-audit", "--no-fund", "--silent"],
                   cwd=into, check=True, timeout=240)
    return into


class Node:
    """A node program that speaks lines over its standard streams."""

    def __init__(self, folder, *arguments):
        self.process = subprocess.Popen(["node", *map(str, arguments)], cwd=folder, text=True,
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        env={**os.environ, "NODE_ENV": "production"})

    def line(self):
        text = self.process.stdout.readline()
        assert text, "the node program ended"
        return text.strip()

    def ask(self, command):
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()
        return json.loads(self.line())

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.kill()
        self.process.stdin.close()
        self.process.stdout.close()


def starting(modules):
    """The body of a fixture `start_node`: starts programs, and ends them in reverse."""
    programs = []

    def start(*arguments):
        programs.append(Node(modules, *arguments))
        return programs[-1]

    yield start
    for program in reversed(programs):
        program.close()
