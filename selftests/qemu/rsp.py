# SPDX-License-Identifier: GPL-2.0-only
"""A small debugger: gdb's remote protocol, as QEMU speaks it, over a socket."""
import re
import struct

from qemu import Failed, Line

RIP = 16        # of the registers of 8 bytes that "g" begins with
STOPPED = r"T([0-9a-f]{2})([^#]*)"


class Debugger:
    def __init__(self, path):
        self.line = Line(path, 20)

    def say(self, text):
        self.line.send(f"${text}#{sum(text.encode()) % 256:02x}")

    def hear(self, limit=60):
        """A packet's contents."""
        text = self.line.expect(r"\$([^#]*)#[0-9a-f]{2}", limit)[1]
        self.line.send("+")
        return text

    def settle(self):
        """Forget what comes unasked: that the machine stopped for us."""
        while self.line.read(1):
            pass
        self.line.text = ""

    def ask(self, text, limit=60):
        self.say(text)
        return self.hear(limit)

    def order(self, text):
        answer = self.ask(text)
        if answer != "OK":
            raise Failed(f"{text}: {answer!r}")

    def stop(self):
        self.line.send("\x03")
        return self.stopped()

    def stopped(self, limit=60):
        """How it stopped: what the stub says beside the signal."""
        answer = self.hear(limit)
        if not re.match(STOPPED, answer):
            raise Failed(f"stopped by {answer!r}")
        return answer

    def go_on(self):
        self.say("c")

    def step(self):
        self.say("s")
        return self.stopped()

    def registers(self):
        data = bytes.fromhex(self.ask("g").replace("x", "0"))
        return struct.unpack_from("<17Q", data)

    def rip(self):
        return self.registers()[RIP]

    def read(self, address, length):
        return bytes.fromhex(self.ask(f"m{address:x},{length:x}"))

    def write(self, address, data):
        self.order(f"M{address:x},{len(data):x}:{data.hex()}")
