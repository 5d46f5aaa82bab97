//! The paths where a loader looks for a library, in its order: "NOTES" of ld.so(8), `load_library` of musl.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::dynamic::Dynamic;
use super::image::Image;
use super::system::{Libc, System};
use super::tokens::{Token, substitute};

/// A program or library that is loaded.
#[derive(Debug)]
pub(super) struct Object {
    pub path: PathBuf,
    pub image: Image,
    /// Device and inode: one file is loaded once, whatever its names.
    pub identity: (u64, u64),
    /// The place of the object that asked for it first; none for the program.
    pub requester: Option<usize>,
}

impl Object {
    /// The folder that `$ORIGIN` stands for. The loader asks the kernel for the program's, which has all links
    /// resolved, and takes a library's from the path under which it found it.
    fn origin(&self) -> Option<PathBuf> {
        let path = match self.requester {
            None => Cow::Owned(fs::canonicalize(&self.path).ok()?),
            Some(_) => Cow::Borrowed(&self.path),
        };
        path.parent().map(Path::to_owned)
    }
}

/// The paths at which the loader tries to open `name`, needed by `objects[requester]`, in order. LD_LIBRARY_PATH and
/// LD_PRELOAD are not among them: they belong to a caller, not to a program.
pub(super) fn candidates<'a>(
    system: &'a System,
    objects: &[Object],
    requester: usize,
    name: &'a OsStr,
) -> Box<dyn Iterator<Item = PathBuf> + 'a> {
    if name.is_empty() {
        return Box::new(std::iter::empty());
    }
    if name.as_bytes().contains(&b'/') {
        return match system.libc {
            Libc::Musl => Box::new(std::iter::once(name.into())),
            Libc::Glibc => {
                Box::new(expand(system, &objects[requester], name.as_bytes()).into_iter())
            }
        };
    }
    let named = run_paths(system, objects, requester).into_iter();
    let cached = system.cache.iter().flat_map(|cache| cache.lookup(name));
    let folders = system.directories.iter();
    Box::new(
        named
            .map(move |folder| folder.join(name))
            .chain(cached)
            .chain(folders.map(move |folder| folder.join(name))),
    )
}

/// The folders that the objects themselves name.
fn run_paths(system: &System, objects: &[Object], requester: usize) -> Vec<PathBuf> {
    let up = |object: &&Object| object.requester.map(|above| &objects[above]);
    let chain = std::iter::successors(Some(&objects[requester]), up);
    let mut folders = Vec::new();
    match system.libc {
        // To musl both mean the same, and both hold for what their libraries need in turn.
        Libc::Musl => chain.for_each(|object| {
            let Dynamic { runpath, rpath, .. } = &object.image.dynamic;
            folders.extend(split(system, object, runpath.as_ref().or(rpath.as_ref())));
        }),
        Libc::Glibc => {
            let object = &objects[requester];
            let runpath = object.image.dynamic.runpath.as_ref();
            if runpath.is_none() {
                chain.for_each(|above| {
                    let rpath = above.image.dynamic.rpath.as_ref();
                    folders.extend(split(system, above, rpath));
                });
            }
            folders.extend(split(system, object, runpath));
        }
    }
    folders
}

/// The folders in a search path of `object`.
fn split(system: &System, object: &Object, list: Option<&OsString>) -> Vec<PathBuf> {
    let list = match list {
        Some(list) if !list.is_empty() => list.as_bytes(),
        _ => return Vec::new(),
    };
    match system.libc {
        Libc::Musl if has_other_tokens(list) => Vec::new(),
        Libc::Musl => list
            .split(|byte| matches!(byte, b':' | b'\n'))
            .filter(|folder| !folder.is_empty())
            .flat_map(|folder| expand(system, object, folder))
            .collect(),
        Libc::Glibc => list
            .split(|byte| *byte == b':')
            .flat_map(|folder| match folder {
                b"" => vec![PathBuf::from(".")],
                _ => expand(system, object, folder),
            })
            .collect(),
    }
}

/// Whether a list has a `$` that musl does not know; it ignores the whole list then.
fn has_other_tokens(list: &[u8]) -> bool {
    list.split(|byte| *byte == b'$')
        .skip(1)
        .any(|rest| !rest.starts_with(b"ORIGIN") && !rest.starts_with(b"{ORIGIN}"))
}

/// The paths that a path with tokens stands for: one, none when a token has no value here, several for `$LIB`.
fn expand(system: &System, object: &Object, path: &[u8]) -> Vec<PathBuf> {
    if !path.contains(&b'$') {
        return vec![Path::new(OsStr::from_bytes(path)).to_owned()];
    }
    let origin = object.origin();
    let no_lib = [PathBuf::new()];
    let lib = match system.lib.as_slice() {
        [] => &no_lib,
        lib => lib,
    };
    let mut paths: Vec<PathBuf> = lib
        .iter()
        .filter_map(|lib| {
            substitute(path, |token| match token {
                Token::Origin => origin.as_ref().map(|path| path.as_os_str()),
                Token::Lib => Some(lib.as_os_str()),
                Token::Platform => system.platform.map(OsStr::new),
            })
        })
        .collect();
    paths.dedup();
    paths
}

#[cfg(test)]
mod tests {
    use super::super::tests::fixture::Elf;
    use super::*;

    /// What a program at /opt/bin/a looks for, by these rules and with this search path.
    fn tried(libc: Libc, rpath: &str, name: &str) -> Vec<String> {
        let system = System {
            libc,
            cache: None,
            directories: vec!["/usr/lib".into()],
            lib: vec!["lib/x".into(), "lib".into()],
            platform: None,
        };
        let bytes = Elf::new().rpath(rpath).build();
        let object = |requester| Object {
            path: "/opt/bin/a".into(),
            image: Image::parse(bytes.as_slice()).unwrap(),
            identity: (0, 0),
            requester,
        };
        // Under a program without a file, so that /opt/bin/a is a library, whose path nobody has to resolve.
        let mut program = object(None);
        program.image.dynamic.rpath = None;
        let paths = candidates(&system, &[program, object(Some(0))], 1, name.as_ref());
        paths.map(|path| path.display().to_string()).collect()
    }

    #[test]
    fn tries_the_search_path_and_then_the_system() {
        for libc in [Libc::Glibc, Libc::Musl] {
            let found = tried(libc, "/a:$ORIGIN/../b/", "x.so");
            assert_eq!(found, ["/a/x.so", "/opt/bin/../b/x.so", "/usr/lib/x.so"]);
            assert_eq!(tried(libc, "", "x.so"), ["/usr/lib/x.so"]);
            assert!(tried(libc, "/a", "").is_empty());
        }
    }

    #[test]
    fn takes_an_empty_folder_as_the_own_loader_does() {
        let found = tried(Libc::Glibc, "/a::", "x.so");
        assert_eq!(found, ["/a/x.so", "./x.so", "./x.so", "/usr/lib/x.so"]);
        let found = tried(Libc::Musl, "/a::\n/b", "x.so");
        assert_eq!(found, ["/a/x.so", "/b/x.so", "/usr/lib/x.so"]);
    }

    #[test]
    fn tries_every_value_of_lib_and_none_of_an_unknown_platform() {
        let found = tried(Libc::Glibc, "/$LIB:/$PLATFORM:$ORIGIN", "x.so");
        let expected = ["/lib/x/x.so", "/lib/x.so", "/opt/bin/x.so", "/usr/lib/x.so"];
        assert_eq!(found, expected);
        assert_eq!(tried(Libc::Musl, "/a:/$LIB", "x.so"), ["/usr/lib/x.so"]);
    }

    #[test]
    fn opens_a_path_and_searches_a_name() {
        assert_eq!(tried(Libc::Glibc, "/a", "$ORIGIN/x.so"), ["/opt/bin/x.so"]);
        assert_eq!(tried(Libc::Glibc, "/a", "b/x.so"), ["b/x.so"]);
        assert_eq!(tried(Libc::Musl, "/a", "$ORIGIN/x.so"), ["$ORIGIN/x.so"]);
    }

    #[test]
    fn knows_what_musl_does_not() {
        for known in ["/lib", "$ORIGIN/lib:${ORIGIN}", ""] {
            assert!(!has_other_tokens(known.as_bytes()), "{known}");
        }
        for unknown in ["$LIB", "$ORIGIN/$LIB", "a$", "$"] {
            assert!(has_other_tokens(unknown.as_bytes()), "{unknown}");
        }
    }
}
