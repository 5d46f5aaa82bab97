"""What the machines need from Debian: programs on this host, and kernels of several releases.

The kernels come through apt with a state of its own, so that apt checks every signature and hash, and the host's own
package lists stay as they are. The mirror is the one that the host is configured with.
"""

import fcntl
import glob
import os
import re
import shutil
import subprocess
import sys
import tempfile

from machines import cells

CACHE = os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "verify", "kernels")

# The suites that hold the last build of each: security updates, and of the newest kernel the backports. The first one has
# the other packages.
SUITES = ["trixie", "bullseye-security", "bookworm-security", "trixie-security", "trixie-backports"]

# The program that shows that a package is there.
PACKAGES = {"busybox": "busybox-static", "cpio": "cpio", "newuidmap": "uidmap", "depmod": "kmod"}
QEMU = ["qemu-system-x86", "qemu-utils"]
WHERE = os.environ["PATH"] + ":/usr/sbin:/sbin"

# One package up to Linux 6.12, several later.
PARTS = ["linux-image-{}", "linux-base-{}", "linux-binary-{}", "linux-modules-{}"]


def output(*command):
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout


def install():
    """Installs the programs that are missing.

    Both packages of QEMU are named with one version: where an image came with a newer qemu-utils, apt refuses otherwise.
    """
    wanted = [package for program, package in PACKAGES.items() if not shutil.which(program, path=WHERE)]
    emulator = shutil.which("qemu-system-x86_64")
    if not wanted and emulator:
        return
    output("apt-get", "-qq", "update")
    if not emulator:
        version = re.search(r"Candidate: (\S+)", output("apt-cache", "policy", QEMU[0])).group(1)
        wanted += [f"{package}={version}" for package in QEMU]
    os.environ["DEBIAN_FRONTEND"] = "noninteractive"
    output("apt-get", "-qq", "-y", "--no-install-recommends", "--allow-downgrades", "install", *wanted)


def lock():
    """Two runs at the same time share the cache. Held until the descriptor is closed."""
    os.makedirs(CACHE, exist_ok=True)
    file = open(os.path.join(CACHE, "lock"), "w")
    fcntl.flock(file, fcntl.LOCK_EX)
    return file


def mirrors():
    """Where the host has Debian's packages from, by whether these are security updates; nothing before apt-get update."""
    form = "--format=$(REPO_URI) $(CODENAME)"
    targets = output("apt-get", "indextargets", form, "Created-By: Packages", "Origin: Debian").splitlines()
    return {codename.endswith("-security"): uri for uri, codename in map(str.split, targets)}


def sources():
    """The lines of sources.list for the suites, at the host's own mirror."""
    if len(mirrors()) < 2:
        output("apt-get", "-qq", "update")
    found = mirrors()
    if len(found) < 2:
        sys.exit("ci/kernels needs a mirror of Debian and one of its security updates in apt's configuration")
    return "".join(f"deb {found[suite.endswith('-security')]} {suite} main\n" for suite in SUITES)


def private_apt():
    """Makes apt look into lists of its own from here on."""
    for folder in ["lists/partial", "archives/partial"]:
        os.makedirs(os.path.join(CACHE, folder), exist_ok=True)
    write("sources.list", sources())
    write("status", "")
    write("apt.conf", f"""
        Dir::State "{CACHE}"; Dir::State::status "{CACHE}/status"; Dir::Cache "{CACHE}";
        Dir::Etc::sourcelist "{CACHE}/sources.list"; Dir::Etc::sourceparts "-"; Dir::Etc::preferencesparts "/dev/null";
        APT::Architecture "amd64"; APT::Architectures "amd64"; APT::Sandbox::User "root"; Acquire::Languages "none";
    """)
    os.environ["APT_CONFIG"] = os.path.join(CACHE, "apt.conf")
    output("apt-get", "-qq", "update")


def write(name, text):
    with open(os.path.join(CACHE, name), "w") as file:
        file.write(text)


def releases():
    """Every cloud kernel that the suites have: `6.12.118+deb13-cloud-amd64`, the newest last."""
    names = output("apt-cache", "pkgnames", "linux-image-").split()
    found = [re.fullmatch(r"linux-image-(\d[\d.]*\d[-+].*cloud-amd64)", name) for name in names]
    return sorted((match.group(1) for match in found if match), key=lambda name: [int(n) for n in re.findall(r"\d+", name)])


def release(kernel, known):
    """The newest build of a kernel: `6.12` or `newest`."""
    fitting = [name for name in known if kernel == cells.NEWEST or name.startswith(kernel + ".")]
    if not fitting:
        sys.exit(f"no kernel {kernel} in {', '.join(SUITES)}")
    return fitting[-1]


def fetch(name):
    """Downloads a kernel, once. Gives the folder that has its `vmlinuz` and `lib/modules`."""
    folder = os.path.join(CACHE, name)
    if not os.path.isdir(folder):
        known = set(output("apt-cache", "pkgnames", "linux-").split())
        packages = [part.format(name) for part in PARTS if part.format(name) in known]
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            download(work, packages)
            os.rename(arrange(f"{work}/tree", name, f"{work}/kernel"), folder)
    return folder


def apparmor():
    """Downloads AppArmor's compiler of profiles, once. Gives the files that it needs to run anywhere.

    That of Debian 12 does not know the rule `userns` yet, and that of Debian 13 needs a newer C library.
    """
    version = re.search(r"Candidate: (\S+)", output("apt-cache", "policy", "apparmor")).group(1)
    folder = os.path.join(CACHE, f"apparmor-{version}")
    if not os.path.isdir(folder):
        with tempfile.TemporaryDirectory(dir=CACHE) as work:
            download(work, ["apparmor", "libc6"])
            os.mkdir(f"{work}/parser")
            for path in ["sbin/apparmor_parser", "lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"]:
                shutil.copy(f"{work}/tree/usr/{path}", f"{work}/parser")
            os.rename(f"{work}/parser", folder)
    return glob.glob(f"{folder}/*")


def download(work, packages):
    """Downloads packages into a folder and unpacks them into its `tree`."""
    subprocess.run(["apt-get", "-qq", "download", *packages], check=True, cwd=work)
    for package in glob.glob(f"{work}/*.deb"):
        output("dpkg-deb", "--extract", package, f"{work}/tree")


def arrange(tree, name, kernel):
    """Takes the image and the modules from where the packages of this release have them, and notes what depends on what."""
    os.makedirs(f"{kernel}/lib/modules")
    image, = glob.glob(f"{tree}/boot/vmlinuz-*") + glob.glob(f"{tree}/usr/lib/modules/*/vmlinuz")
    os.rename(image, f"{kernel}/vmlinuz")
    modules, = glob.glob(f"{tree}/lib/modules/*") + glob.glob(f"{tree}/usr/lib/modules/*")
    os.rename(modules, f"{kernel}/lib/modules/{name}")
    output(shutil.which("depmod", path=WHERE), "-b", kernel, name)
    return kernel
