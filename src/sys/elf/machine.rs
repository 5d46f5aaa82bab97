//! What machines are called in the folders built into ld.so.

use std::path::{Path, PathBuf};

use object::elf;

use super::image::Abi;

/// What a machine is called in paths.
struct Names {
    machine: elf::Machine,
    is_64: bool,
    is_little_endian: bool,
    /// Debian's folder below /lib and /usr/lib.
    multiarch: &'static str,
    /// The folder of the others below / and /usr.
    lib: &'static str,
    platform: Option<&'static str>,
}

#[rustfmt::skip]
const NAMES: &[Names] = &[
    names(elf::EM_X86_64, true, "x86_64-linux-gnu", "lib64", Some("x86_64")),
    names(elf::EM_X86_64, false, "x86_64-linux-gnux32", "libx32", Some("x86_64")),
    names(elf::EM_386, false, "i386-linux-gnu", "lib", Some("i686")),
    names(elf::EM_AARCH64, true, "aarch64-linux-gnu", "lib64", Some("aarch64")),
    names(elf::EM_ARM, false, "arm-linux-gnueabihf", "lib", Some("v7l")),
    names(elf::EM_ARM, false, "arm-linux-gnueabi", "lib", Some("v7l")),
    names(elf::EM_RISCV, true, "riscv64-linux-gnu", "lib64", None),
    names(elf::EM_LOONGARCH, true, "loongarch64-linux-gnu", "lib64", None),
    names(elf::EM_PPC64, true, "powerpc64le-linux-gnu", "lib64", None),
    Names { is_little_endian: false, ..names(elf::EM_S390, true, "s390x-linux-gnu", "lib64", None) },
];

const fn names(
    machine: elf::Machine,
    is_64: bool,
    multiarch: &'static str,
    lib: &'static str,
    platform: Option<&'static str>,
) -> Names {
    Names {
        machine,
        is_64,
        is_little_endian: true,
        multiarch,
        lib,
        platform,
    }
}

fn names_of(abi: Abi) -> impl Iterator<Item = &'static Names> {
    NAMES.iter().filter(move |names| {
        names.machine == abi.machine
            && names.is_64 == abi.is_64
            && names.is_little_endian == abi.is_little_endian
    })
}

/// The value of `$PLATFORM`: AT_PLATFORM of getauxval(3).
pub(super) fn platform(abi: Abi) -> Option<&'static str> {
    names_of(abi).find_map(|names| names.platform)
}

/// The values of `$LIB`: Debian's, then everybody else's.
pub(super) fn lib(abi: Abi) -> Vec<PathBuf> {
    let multiarch = names_of(abi).map(|names| Path::new("lib").join(names.multiarch));
    let flat = names_of(abi).map(|names| PathBuf::from(names.lib));
    let mut lib: Vec<PathBuf> = multiarch.chain(flat).chain(["lib".into()]).collect();
    lib.dedup();
    lib
}

/// The folders built into ld.so, of all distributions together: a folder of another one does not exist here, or
/// has libraries of another ABI, which are passed over.
pub(super) fn directories(abi: Abi) -> Vec<PathBuf> {
    let roots = [Path::new("/"), Path::new("/usr")];
    let below = |lib: PathBuf| roots.map(|root| root.join(&lib));
    lib(abi).into_iter().flat_map(below).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in super::super) const X86_64: Abi = Abi {
        machine: elf::EM_X86_64,
        is_64: true,
        is_little_endian: true,
    };

    #[test]
    fn knows_the_folders_of_debian_fedora_and_arch() {
        let expected = [
            "/lib/x86_64-linux-gnu",
            "/usr/lib/x86_64-linux-gnu",
            "/lib64",
            "/usr/lib64",
            "/lib",
            "/usr/lib",
        ];
        assert_eq!(directories(X86_64), expected.map(PathBuf::from));
        let s390x = Abi {
            machine: elf::EM_S390,
            is_little_endian: false,
            ..X86_64
        };
        assert_eq!(lib(s390x)[0], Path::new("lib/s390x-linux-gnu"));
        let i386 = Abi {
            machine: elf::EM_386,
            is_64: false,
            ..X86_64
        };
        assert_eq!(lib(i386), ["lib/i386-linux-gnu", "lib"].map(PathBuf::from));
        let unknown = Abi {
            machine: elf::Machine(9),
            ..X86_64
        };
        assert_eq!(
            directories(unknown),
            ["/lib", "/usr/lib"].map(PathBuf::from)
        );
        let big_endian = Abi {
            is_little_endian: false,
            ..X86_64
        };
        assert_eq!(directories(big_endian), directories(unknown));
    }
}
