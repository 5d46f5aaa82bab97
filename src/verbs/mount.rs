//! `mount`: a file system in the scratch directory.

use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath, WritablePath};
use crate::sys::beneath;
use crate::sys::namespace::is_in_initial_user_namespace;

/// Mounts a file system in the scratch directory. mount(8), mount(2)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Mount {
    #[arg(short = 't', value_name = "TYPE", required = true)]
    kind: Kind,
    #[arg(short = 'o', value_name = "OPTION,…", value_delimiter = ',')]
    options: Vec<String>,
    #[arg(value_name = "SOURCE")]
    source: String,
    #[arg(value_name = "DIRECTORY")]
    directory: WritablePath,
}

/// The file systems that an unprivileged container may mount, too: none of them reads a device or a host's file.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Overlay,
    Tmpfs,
    Proc,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Self::Overlay => "overlay",
            Self::Tmpfs => "tmpfs",
            Self::Proc => "proc",
        }
    }
}

/// In a user namespace overlayfs must keep its marks in extended attributes that an ordinary user may write; without
/// this, replacing a directory of a lower layer is refused there. Linux 5.11; before, the option is EINVAL.
const USERXATTR: &str = "userxattr";

/// The options of overlayfs.rst whose values are paths, several of them with `:` between.
const PATH_OPTIONS: [&str; 3] = ["lowerdir", "upperdir", "workdir"];

impl Verb for Mount {
    const USAGE: &'static str = "mount -t overlay|tmpfs|proc SOURCE [-o OPTION,…] DIRECTORY";
    const SUMMARY: &'static str = "Mount a file system in the scratch directory";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let mut before = words.clone();
        let mount: Self = options(words)?;
        for path in mount.paths() {
            path.parse::<WritablePath>().map_err(|error| {
                let at = before.rest().iter().find(|word| word.text.contains(path));
                let span = at.map_or(0..1, |word| word.span.clone());
                LineError::new(span, format!("`{path}`: {error}"))
            })?;
        }
        Ok(mount)
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        for path in self.paths() {
            let path: SpecPath = path
                .parse()
                .map_err(|error: String| Failure::unexpected("open", path, error))?;
            stays_inside(session, &path)?;
        }
        let fail = |errno| Failure::errno("mount", &self.directory, errno);
        stays_inside(session, &self.directory.0)?;
        let target = Path::new(&self.directory.0.relative);
        let target = if target.as_os_str().is_empty() {
            Path::new(".")
        } else {
            target
        };
        let mut output = Output::nothing();
        if self.kind == Kind::Overlay && !is_in_initial_user_namespace() {
            match self.mount(target, &[USERXATTR]) {
                Ok(()) => {
                    output.evidence(format!("mounted with {USERXATTR}"));
                    return Ok(output);
                }
                Err(Errno::EINVAL) => {}
                Err(errno) => return Err(fail(errno)),
            }
        }
        self.mount(target, &[]).map_err(fail)?;
        Ok(output)
    }
}

impl Mount {
    fn mount(&self, target: &Path, more: &[&str]) -> Result<(), Errno> {
        let options = self.options.iter().map(String::as_str);
        let options: Vec<_> = options.chain(more.iter().copied()).collect();
        let options = options.join(",");
        mount(
            Some(self.source.as_str()),
            target,
            Some(self.kind.name()),
            MsFlags::empty(),
            Some(options.as_str()).filter(|options| !options.is_empty()),
        )
    }

    fn paths(&self) -> impl Iterator<Item = &str> {
        let values = self
            .options
            .iter()
            .filter_map(|option| option.split_once('='));
        let paths = values.filter(|(name, _)| PATH_OPTIONS.contains(name));
        paths.flat_map(|(_, paths)| paths.split(':'))
    }
}

/// mount(2) takes paths, not descriptors, so that a symbolic link in one of them would be followed anywhere.
fn stays_inside(session: &mut Session, path: &SpecPath) -> Result<(), Failure> {
    let (root, relative) = session.resolve(path)?;
    beneath::open(root, &relative, OFlag::O_PATH, Mode::empty())
        .map(drop)
        .map_err(|errno| Failure::errno("open", path, errno))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sys::test_namespaces::in_own_namespaces;
    use crate::verbs::tests::{parse, session_in_a_mount};

    #[test]
    fn the_tutorials_line_is_read() {
        let line =
            "-t overlay overlay -o lowerdir=image2:image1,upperdir=container,workdir=work merge";
        let mount: Mount = parse(line).unwrap();
        assert_eq!(mount.kind, Kind::Overlay);
        assert_eq!(mount.directory.to_string(), "merge");
        assert_eq!(
            mount.paths().collect::<Vec<_>>(),
            ["image2", "image1", "container", "work"]
        );
    }

    #[test]
    fn paths_in_options_do_not_lead_out() {
        let error = parse::<Mount>("-t overlay overlay -o lowerdir=/etc,upperdir=u,workdir=w m")
            .unwrap_err();
        assert!(error.message.contains("leads out"), "{}", error.message);
        assert_eq!(error.span, 22..56);
        assert!(parse::<Mount>("-t ext4 /dev/sda1 m").is_err());
    }

    #[test]
    fn an_overlay_keeps_its_marks_where_its_user_may_write_them() {
        in_own_namespaces(|| {
            let mut session = session_in_a_mount();
            for directory in ["l", "u", "w", "m"] {
                std::fs::create_dir(directory).unwrap();
            }
            std::fs::write("l/file", "").unwrap();
            let line = "-t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m";
            let mut expected = Output::nothing();
            if !is_in_initial_user_namespace() {
                expected.evidence("mounted with userxattr");
            }
            match parse::<Mount>(line).unwrap().perform(&mut session) {
                Ok(output) => {
                    assert_eq!(output, expected);
                    assert!(Path::new("m/file").exists());
                }
                Err(failure) => eprintln!("skipped: {}", failure.text()),
            }
        });
    }
}
