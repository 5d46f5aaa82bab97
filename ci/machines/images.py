"""What the machines boot: a kernel from Debian and an initramfs for it."""

import os

from machines import debian, initramfs


def build(kernels, binary, folder, more=()):
    """For each kernel its release, where it is, and its initramfs, in `folder`."""
    with debian.lock():
        debian.private_apt()
        known = debian.releases()
        found = {}
        for kernel in kernels:
            release = debian.release(kernel, known)
            place, image = debian.fetch(release), os.path.join(folder, f"{release}.img")
            initramfs.build(place, binary, image, more)
            found[kernel] = (release, place, image)
        return found
