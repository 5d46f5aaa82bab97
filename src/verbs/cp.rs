//! `cp`: a program of the host with every library that it loads, or a file of the scratch directory.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, fstat};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath, WritablePath};
use crate::sys::beneath;
use crate::sys::elf::closure;

/// Copies a file. cp(1)
///
/// A program of the host, given by its absolute path, that is copied to the same path below a new root brings its loader
/// and every library along, each to its own path there. Where there is no /bin/bash, /bin/sh is copied under its name.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Cp {
    #[arg(value_name = "SOURCE")]
    source: String,
    #[arg(value_name = "DESTINATION")]
    destination: WritablePath,
}

impl Verb for Cp {
    const USAGE: &'static str = "cp /PROGRAM NEWROOT/PROGRAM | cp FILE FILE";
    const SUMMARY: &'static str = "Copy a program of the host with every library that it loads, or a file of the scratch directory";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let here = words.here();
        let cp: Self = options(words)?;
        if !cp.source.starts_with('/') {
            let source = cp.source.parse::<SpecPath>();
            source.map_err(|error| LineError::new(here, format!("`{}`: {error}", cp.source)))?;
        }
        Ok(cp)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        if !self.source.starts_with('/') {
            return self.copy_inside(session);
        }
        let program = program_of_host(&self.source)?;
        copy(open(&program)?, session, &self.destination.0, &self.source)?;
        let mut output = Output::nothing();
        if let Some(new_root) = self.new_root() {
            for library in libraries(&program)? {
                output.evidence(library.display().to_string());
                bring(&library, &new_root, session)?;
            }
        }
        Ok(output)
    }
}

impl Cp {
    /// The folder below which the program gets the path that it has on the host.
    fn new_root(&self) -> Option<PathBuf> {
        let destination = &self.destination.0.relative;
        let program = Path::new(self.source.trim_start_matches('/'));
        let depth = destination
            .components()
            .count()
            .checked_sub(program.components().count())?;
        destination
            .ends_with(program)
            .then(|| destination.components().take(depth).collect())
    }

    fn copy_inside(&self, session: &mut Session) -> Result<Output, Failure> {
        let source: SpecPath = self
            .source
            .parse()
            .map_err(|error: String| Failure::unexpected("open", &self.source, error))?;
        let (root, path) = session.resolve(&source)?;
        let file = beneath::open(root, &path, OFlag::O_RDONLY, Mode::empty())
            .map_err(|errno| Failure::errno("open", &source, errno))?;
        copy(file, session, &self.destination.0, &self.source)?;
        Ok(Output::nothing())
    }
}

/// The host's own file: the shell, where there is no bash, is sh.
pub fn program_of_host(path: &str) -> Result<PathBuf, Failure> {
    let stand_in = (path == "/bin/bash").then_some("/bin/sh");
    let mut programs = [Some(path), stand_in]
        .into_iter()
        .flatten()
        .map(PathBuf::from);
    let there = programs.find(|program| program.exists());
    there.ok_or_else(|| Failure::errno("open", path, Errno::ENOENT))
}

/// The loader and every library of a program, as files of the host.
fn libraries(program: &Path) -> Result<Vec<PathBuf>, Failure> {
    let closure = closure(program)
        .map_err(|error| Failure::unexpected("read", program.display(), error.to_string()))?;
    let found = closure.libraries.into_iter().map(|library| {
        let missing = || {
            Failure::unexpected(
                "find",
                library.name.to_string_lossy(),
                "this library is nowhere",
            )
        };
        library.path.clone().ok_or_else(missing)
    });
    let loader = closure.loader.into_iter().map(Ok);
    loader.chain(found).collect()
}

/// Copies a library to the same path below the new root, which need not be the path it has.
fn bring(library: &Path, new_root: &Path, session: &mut Session) -> Result<(), Failure> {
    let target = new_root.join(place_in_root(library));
    let mut folder = PathBuf::new();
    for component in target.parent().unwrap_or(Path::new("")).components() {
        folder.push(component);
        match beneath::mkdir(session.scratch(), &folder) {
            Ok(()) => session.brought.push(folder.clone()),
            Err(Errno::EEXIST) => {}
            Err(errno) => return Err(Failure::errno("mkdir", folder.display(), errno)),
        }
    }
    if session.brought.contains(&target) {
        return Ok(());
    }
    let path = SpecPath {
        relative: target.clone(),
        ..SpecPath::here()
    };
    copy(open(library)?, session, &path, &library.to_string_lossy())?;
    session.brought.push(target);
    Ok(())
}

/// Every loader searches /lib beside /usr/lib, and on most hosts they are one: below a new root it is always /lib, so
/// that the root looks the same everywhere.
fn place_in_root(library: &Path) -> PathBuf {
    let path = library.strip_prefix("/").unwrap_or(library);
    match path.strip_prefix("usr") {
        Ok(below)
            if below.to_string_lossy().starts_with("lib") && below.components().count() <= 3 =>
        {
            below.to_owned()
        }
        _ => path.to_owned(),
    }
}

fn open(path: &Path) -> Result<OwnedFd, Failure> {
    let file = File::open(path).map_err(|error| Failure::io("open", path.display(), &error))?;
    Ok(file.into())
}

fn copy(
    source: OwnedFd,
    session: &mut Session,
    destination: &SpecPath,
    name: &str,
) -> Result<(), Failure> {
    let (root, path) = session.resolve(destination)?;
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_TRUNC;
    let status = fstat(&source).map_err(|errno| Failure::errno("stat", name, errno))?;
    let mode = Mode::from_bits_truncate(status.st_mode & 0o777);
    let target = beneath::open(root.as_fd(), &path, flags, mode)
        .map_err(|errno| Failure::errno("open", destination, errno))?;
    std::io::copy(&mut File::from(source), &mut File::from(target))
        .map(drop)
        .map_err(|error| Failure::io("copy", name, &error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn the_new_root_is_what_stands_before_the_programs_path() {
        let root = |line: &str| parse::<Cp>(line).unwrap().new_root();
        assert_eq!(
            root("/bin/bash newroot/bin/bash"),
            Some(PathBuf::from("newroot"))
        );
        assert_eq!(root("/bin/bash a/b/bin/bash"), Some(PathBuf::from("a/b")));
        assert_eq!(root("/bin/bash newroot/bash"), None);
        assert_eq!(root("/bin/bash bash"), None);
    }

    #[test]
    fn libraries_stand_where_every_loader_looks() {
        for (library, place) in [
            (
                "/lib/x86_64-linux-gnu/libc.so.6",
                "lib/x86_64-linux-gnu/libc.so.6",
            ),
            (
                "/usr/lib/x86_64-linux-gnu/libc.so.6",
                "lib/x86_64-linux-gnu/libc.so.6",
            ),
            ("/usr/lib64/libc.so.6", "lib64/libc.so.6"),
            ("/usr/lib/libreadline.so.8", "lib/libreadline.so.8"),
            (
                "/usr/lib/x86_64-linux-gnu/systemd/x.so",
                "usr/lib/x86_64-linux-gnu/systemd/x.so",
            ),
            ("/opt/x/lib/x.so", "opt/x/lib/x.so"),
        ] {
            assert_eq!(place_in_root(Path::new(library)), Path::new(place));
        }
    }

    #[test]
    fn a_program_of_the_host_is_one_that_is_there() {
        let there = program_of_host("/bin/sh").unwrap();
        assert_eq!(there, Path::new("/bin/sh"));
        let absent = program_of_host("/bin/nowhere").unwrap_err();
        assert_eq!(
            absent,
            Failure::errno("open", "/bin/nowhere", Errno::ENOENT)
        );
    }

    #[test]
    fn a_destination_does_not_lead_out() {
        assert!(parse::<Cp>("/bin/bash /bin/bash2").is_err());
        assert!(parse::<Cp>("a/../../b c").is_err());
    }
}
