"""What the machines boot: a kernel from Debian and an initramfs for it."""

import glob
import os

from machines import debian, initramfs


# What apparmor.d(5) describes: whom a profile is for, and what it allows.
PROFILES = glob.glob(os.path.join(initramfs.HERE, "profiles", "*"))


def build(kernels, binary, folder, more=(), confines=False):
    """For each kernel its release, where it is, and its initramfs, in `folder`. One that `confines` can have AppArmor do it."""
    with debian.lock():
        debian.private_apt()
        known = debian.releases()
        more = [*more, *(PROFILES + debian.apparmor() if confines else [])]
        found = {}
        for kernel in kernels:
            release = debian.release(kernel, known)
            place, image = debian.fetch(release), os.path.join(folder, f"{release}.img")
            initramfs.build(place, binary, image, more)
            found[kernel] = (release, place, image)
        return found
