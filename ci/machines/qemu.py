"""Boots a machine and waits for its end. There is no KVM: everything is emulated, and slow."""

import os
import subprocess
import time

# Seconds. A machine takes 20 s of an idle CPU, and minutes where twenty others want it as well.
LIMIT = 600


def boot(kernel, initramfs, cell, folder, limit=LIMIT):
    """Runs the machine of a cell, for `limit` seconds at most, and leaves its console, report and results in `folder`.

    Gives the seconds that it took, None over the limit.
    """
    port = lambda name: ["-serial", "file:" + os.path.join(folder, name)]
    command = [
        "qemu-system-x86_64", "-accel", accelerator(cell), "-cpu", "max", "-smp", str(cell.cpus), "-m", str(cell.memory),
        "-kernel", os.path.join(kernel, "vmlinuz"), "-initrd", initramfs, "-append", arguments(cell),
        "-display", "none", "-monitor", "none", "-nic", "none", "-no-reboot", "-no-user-config", "-nodefaults",
        *clock(cell), *port("console"), *port("report"), *port("results.json"),
    ]
    begin = time.monotonic()
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as machine:
        try:
            machine.wait(timeout=limit)
        except subprocess.TimeoutExpired:
            machine.kill()
            return None
        finally:
            machine.kill()
    return time.monotonic() - begin


def accelerator(cell):
    """Two CPUs take turns on one thread of the host. On a thread each, the emulator may run an instruction that the other
    CPU is rewriting: kernels stopped with `Oops: int3` at a jump label, in 1 of 24 machines.
    """
    return "tcg,thread=single" if cell.cpus > 1 else "tcg"


def clock(cell):
    """With one CPU, time is counted in instructions: when the host is busy the machine is slow and does not notice.

    QEMU does not boot two CPUs that way. They live by the host's clock, and a busy host disturbs what they measure.
    """
    return ["-icount", "shift=0,sleep=off"] if cell.cpus == 1 else []


def arguments(cell):
    """The kernel's command line. What the kernel does not know becomes the environment of init."""
    words = ["console=ttyS0", "panic=-1", "quiet", "loglevel=4", *cell.arguments]
    return " ".join(words + [f"LAYOUT={cell.layout}", f"WHO={cell.who}", f"MODULES={cell.modules}"])
