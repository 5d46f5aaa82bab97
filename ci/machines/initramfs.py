"""The initramfs of a machine: busybox, verify with its specs and snapshots, and modules."""

import glob
import os
import re
import shutil
import subprocess
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))

# What is loaded beforehand in the cells that preload.
MODULES = ["overlay", "veth", "bridge", "dummy", "nf_tables", "nft_reject_inet", "nft_ct", "nft_chain_nat"]
# What is there for the kernel to ask for: these folders and files, and what they depend on.
NETFILTER = ["net/netfilter/n", "net/ipv4/netfilter/n", "net/ipv6/netfilter/n"]
BEGINNINGS = ["fs/overlayfs/", "net/bridge/", "drivers/net/veth.", "drivers/net/dummy.", *NETFILTER]
THERE = tuple("kernel/" + beginning for beginning in BEGINNINGS)

# Not busybox's: its shell finds all of its programs also in a root that has none, and its modprobe takes a module that
# another one is about to load for loaded.
PROGRAMS = ["bin/sh", "bin/ls", "sbin/modprobe", "usr/bin/newuidmap", "usr/bin/newgidmap"]

FILES = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\n",
    "etc/group": "root:x:0:\nuser:x:1000:\n",
    "etc/modules": "\n".join(MODULES) + "\n",
}


def build(kernel, binary, image, more=()):
    """Writes the initramfs for a kernel and this binary to `image`. There are `more` files in its `certify`."""
    with tempfile.TemporaryDirectory() as stage:
        for folder in ["bin", "sbin", "lib", "lib64", "usr/bin", "etc", "new"]:
            os.makedirs(os.path.join(stage, folder))
        for path, text in FILES.items():
            with open(os.path.join(stage, path), "w") as file:
                file.write(text)
        shutil.copy(os.path.join(HERE, "init"), stage)
        busybox(stage)
        programs(stage)
        verify(stage, binary)
        for file in more:
            shutil.copy(file, os.path.join(stage, "certify"))
        modules(stage, kernel)
        pack(stage, image)


def busybox(stage):
    program = shutil.copy(shutil.which("busybox"), os.path.join(stage, "bin"))
    for path in subprocess.check_output([program, "--list-full"], text=True).split():
        os.makedirs(os.path.dirname(os.path.join(stage, path)), exist_ok=True)
        if path not in PROGRAMS and path != "bin/busybox":
            os.symlink("/bin/busybox", os.path.join(stage, path))


def programs(stage):
    """Programs of this host, with the libraries that they load."""
    for path in PROGRAMS:
        shutil.copy("/" + path, os.path.join(stage, path))
        for library in re.findall(r"(/\S+) \(0x", subprocess.check_output(["ldd", "/" + path], text=True)):
            os.makedirs(os.path.dirname(stage + library), exist_ok=True)
            shutil.copy(library, stage + library)


def verify(stage, binary):
    """The binary without its symbols: a build for debugging has more of them than a small machine has memory."""
    program = os.path.join(stage, "usr/bin/verify")
    subprocess.run(["strip", "-o", program, binary], check=True)
    for folder in ["specs", "snapshots", "policies"]:
        shutil.copytree(os.path.join(ROOT, folder), os.path.join(stage, "certify", folder))


def modules(stage, kernel):
    """Some modules, and the lists that modprobe(8) reads, which name all of them."""
    folder, = glob.glob(f"{kernel}/lib/modules/*")
    lists = [os.path.basename(path) for path in glob.glob(f"{folder}/modules.*")]
    for path in lists + sorted(closure(folder)):
        target = os.path.join(stage, os.path.relpath(folder, kernel), path)
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(os.path.join(folder, path), target)


def closure(folder):
    """The paths of the modules that shall be there, with all that they depend on, which modules.dep has in full."""
    with open(f"{folder}/modules.dep") as file:
        lines = [line.split() for line in file]
    wanted = [words for words in lines if words[0].startswith(THERE)]
    return {word.rstrip(":") for words in wanted for word in words}


def pack(stage, image):
    """Not compressed: to unpack it takes an emulated machine longer than to load it."""
    found = [os.path.join(folder, name) for folder, folders, files in os.walk(stage) for name in folders + files]
    names = "\n".join(sorted(os.path.relpath(path, stage) for path in found))
    command = ["cpio", "--quiet", "-o", "-H", "newc", "-R", "0:0", "-O", image]
    subprocess.run(command, input=names, text=True, cwd=stage, check=True)
