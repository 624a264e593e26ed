# SPDX-License-Identifier: GPL-2.0-only
"""A QEMU, unmodified, in a test host: how it is started, told what to do, and watched.

What it is told goes through QMP; what its guest says, and is told, over a serial port. It
runs from what mkqemu makes, on /dev/kvm, whoever's that is.
"""
import json
import os
import re
import socket
import subprocess
import tempfile
import time

QEMU = os.environ.get("QEMU", "/share/qemu")
GUESTS = os.environ.get("GUESTS", "/share/guests")
LIMIT = 150     # seconds for anything to come: one boot, in a host that is itself emulated


class Failed(Exception):
    """A machine did not do what it has to; the message says what."""


class Line:
    """A stream of bytes from a socket: what came stands in text, from which it is taken."""

    def __init__(self, path, limit=LIMIT):
        self.text = ""
        self.socket = socket.socket(socket.AF_UNIX)
        deadline = time.monotonic() + limit
        while True:
            try:
                self.socket.connect(path)
                break
            except OSError as error:
                if time.monotonic() > deadline:
                    raise Failed(f"{path}: {error}") from error
                time.sleep(0.05)

    def read(self, limit):
        """More text; None at the end of the stream, "" when none came in time."""
        self.socket.settimeout(max(limit, 0.01))
        try:
            data = self.socket.recv(65536)
        except socket.timeout:
            return ""
        except OSError:
            return None
        if not data:
            return None
        self.text += data.decode(errors="replace").replace("\r", "")
        return data

    def expect(self, pattern, limit=LIMIT):
        """Take everything to the end of the pattern's first match, which is returned."""
        deadline = time.monotonic() + limit
        while True:
            match = re.search(pattern, self.text, re.M)
            if match:
                self.text = self.text[match.end():]
                return match
            if self.read(deadline - time.monotonic()) is None or time.monotonic() > deadline:
                raise Failed(f"no {pattern!r} came after: {self.text[-1500:]}")

    def send(self, text):
        self.socket.sendall(text.encode())


class Machine:
    """A QEMU; options are its command line's, words=... the guest's kernel's."""

    def __init__(self, options, words=None, initrd="check.cpio", environment=None):
        self.directory = tempfile.TemporaryDirectory(prefix="machine-")
        self.errors = open(f"{self.directory.name}/errors", "w+")
        command = [f"{QEMU}/lib/ld-linux-x86-64.so.2", "--library-path", f"{QEMU}/lib",
                   f"{QEMU}/qemu-system-x86_64", "-L", f"{QEMU}/share", "-nodefaults",
                   "-display", "none", "-qmp", f"unix:{self.path('qmp')},server=on,wait=off",
                   "-chardev", f"socket,id=serial,path={self.path('serial')},server=on,wait=off",
                   "-serial", "chardev:serial", *options]
        if words is not None:
            command += ["-kernel", f"{GUESTS}/vmlinuz-6.12-cloud", "-initrd", f"{QEMU}/{initrd}",
                        "-append", f"console=ttyS0 quiet {words}"]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.errors,
                                        stderr=self.errors, env=environment)
        self.events = []
        try:
            self.qmp = Line(self.path("qmp"), 20)
            self.serial = Line(self.path("serial"), 5)
            self.answer()
            self.do("qmp_capabilities")
        except Failed as failure:
            raise Failed(f"{failure}; {self.complaint()}") from failure

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.directory.cleanup()

    def path(self, name):
        return f"{self.directory.name}/{name}"

    def complaint(self):
        self.errors.seek(0)
        return self.errors.read()[-1500:]

    def answer(self):
        """The next message of QMP's that is no event."""
        while True:
            line = self.qmp.expect(r"^.*\n").group()
            message = json.loads(line)
            if "event" not in message:
                return message
            self.events.append(message["event"])

    def do(self, command, **arguments):
        request = {"execute": command}
        if arguments:
            request["arguments"] = {key.replace("_", "-"): value
                                    for key, value in arguments.items()}
        self.qmp.send(json.dumps(request) + "\n")
        message = self.answer()
        if "error" in message:
            raise Failed(f"{command}: {message['error']['desc']}; {self.complaint()}")
        return message["return"]

    def monitor(self, command):
        """What QEMU's other monitor, that for people, says to a command."""
        return self.do("human-monitor-command", command_line=command)

    def wait(self, what, condition, limit=LIMIT):
        deadline = time.monotonic() + limit
        while True:
            found = condition()
            if found:
                return found
            if time.monotonic() > deadline:
                raise Failed(f"{what}: not in {limit} s; {self.complaint()}")
            time.sleep(0.1)

    def status(self):
        return self.do("query-status")["status"]

    def checks(self, count=2):
        """The checker goes on, content; the number of rounds that it has made."""
        for _ in range(count):
            match = self.serial.expect(r"^CHECK (\d+|FAILED.*)\n")
            if not match[1].isdigit():
                raise Failed(match[0])
        return int(match[1])

    def shell(self, command):
        """Have the guest's checker run a command: what it said, with status 0."""
        self.serial.send(command + "\n")
        self.serial.expect(r"^CHECK RUN\n")
        match = self.serial.expect(r"(?s)\A(.*?)\nCHECK STATUS (-?\d+)\n")
        if match[2] != "0":
            raise Failed(f"{command}: status {match[2]}: {match[1]}")
        return match[1]

    def end(self):
        """Have the checker end: it has nothing to complain of, and the guest powers off."""
        self.serial.send("end\n")
        self.serial.expect(r"^CHECK END \d+\n")
        self.power_off()

    def power_off(self):
        self.serial.expect(r"^GUEST STATUS 0")
        try:
            status = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired as error:
            raise Failed("no power-off") from error
        if status:
            raise Failed(f"status {status}: {self.complaint()}")

    def migrate(self, uri):
        """Send the machine there; returns when all of it is sent."""
        self.do("migrate", uri=uri)
        self.finish_migration()

    def finish_migration(self):
        def over():
            info = self.do("query-migrate")
            if info.get("status") in ("failed", "cancelled"):
                raise Failed(f"migration {info}; {self.complaint()}")
            return info if info.get("status") == "completed" else None
        return self.wait("migration", over)


def run_tests(names, tests, chained=False):
    """TAP of functions by name; status. In a chain none is run after one that failed."""
    failed = 0
    print(f"KTAP version 1\n1..{len(names)}", flush=True)
    for number, name in enumerate(names, 1):
        if failed and chained:
            print("Bail out! what follows needs what failed")
            break
        start = time.monotonic()
        verdict = "ok"
        try:
            skip = tests[name]()
            if skip:
                verdict, name = "ok", f"{name} # SKIP {skip}"
        except (Failed, OSError, subprocess.SubprocessError, KeyError) as failure:
            for line in f"{type(failure).__name__}: {failure}".splitlines():
                print(f"# {line}")
            failed, verdict = 1, "not ok"
        print(f"# {time.monotonic() - start:.0f} s of the host's time")
        print(f"{verdict} {number} - {name}", flush=True)
    return failed
