//! The paths that a spec may name. None of them leads out of its place.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::sys::cgroup::{UNIFIED, V1_CONTROLLERS};

/// Where a path starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// The current directory of the session, at first the scratch directory.
    Here,
    /// The experiment's own group: `/sys/fs/cgroup/CONTROLLER` in the cgroup v1 hierarchy of that controller,
    /// `/sys/fs/cgroup` in the cgroup v2 hierarchy ([`UNIFIED`]).
    Cgroup(String),
    /// /proc, for reading only.
    Proc,
}

/// A path of a spec.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct SpecPath {
    /// Where it starts.
    pub place: Place,
    /// The rest, without `..`, relative.
    pub relative: PathBuf,
}

const CGROUP_ROOT: &str = "/sys/fs/cgroup";

/// The longest path that a spec may write, in bytes.
const LENGTH_LIMIT: usize = 1024;

impl SpecPath {
    /// The scratch directory itself.
    #[must_use]
    pub fn here() -> Self {
        Self {
            place: Place::Here,
            relative: PathBuf::new(),
        }
    }
}

impl FromStr for SpecPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("an empty path".to_owned());
        }
        if text.len() > LENGTH_LIMIT {
            return Err(format!("longer than {LENGTH_LIMIT} bytes"));
        }
        let (place, rest) = place_of(text)?;
        let mut relative = PathBuf::new();
        for component in Path::new(rest).components() {
            match component {
                Component::Normal(name) => relative.push(name),
                Component::CurDir | Component::RootDir => {}
                Component::ParentDir | Component::Prefix(_) => {
                    return Err("`..` could lead out of the scratch directory".to_owned());
                }
            }
        }
        Ok(Self { place, relative })
    }
}

fn place_of(text: &str) -> Result<(Place, &str), String> {
    if !text.starts_with('/') {
        return Ok((Place::Here, text));
    }
    if let Some(rest) = below(text, CGROUP_ROOT) {
        let rest = rest.trim_start_matches('/');
        let (first, deeper) = rest.split_once('/').unwrap_or((rest, ""));
        return Ok(if V1_CONTROLLERS.contains(&first) {
            (Place::Cgroup(first.to_owned()), deeper)
        } else {
            (Place::Cgroup(UNIFIED.to_owned()), rest)
        });
    }
    if let Some(rest) = below(text, "/proc") {
        return Ok((Place::Proc, rest));
    }
    Err("an absolute path leads out of the scratch directory".to_owned())
}

fn below<'a>(text: &'a str, directory: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(directory)?;
    (rest.is_empty() || rest.starts_with('/')).then_some(rest)
}

impl fmt::Display for SpecPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = match &self.place {
            Place::Here if self.relative.as_os_str().is_empty() => return f.write_str("."),
            Place::Here => String::new(),
            Place::Cgroup(controller) if controller == UNIFIED => CGROUP_ROOT.to_owned(),
            Place::Cgroup(controller) => format!("{CGROUP_ROOT}/{controller}"),
            Place::Proc => "/proc".to_owned(),
        };
        let relative = self.relative.display();
        match (root.is_empty(), self.relative.as_os_str().is_empty()) {
            (true, _) => write!(f, "{relative}"),
            (false, true) => f.write_str(&root),
            (false, false) => write!(f, "{root}/{relative}"),
        }
    }
}

/// A path of a spec at which something may be made or written: anywhere but in /proc.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WritablePath(pub SpecPath);

impl FromStr for WritablePath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let path: SpecPath = text.parse()?;
        match path.place {
            Place::Proc => Err("/proc is there for reading only".to_owned()),
            _ => Ok(Self(path)),
        }
    }
}

impl fmt::Display for WritablePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_a_place() {
        for (text, place, relative) in [
            ("image1/a", Place::Here, "image1/a"),
            ("./a//b/", Place::Here, "a/b"),
            (".", Place::Here, ""),
            (
                "/sys/fs/cgroup/cpu/x/tasks",
                Place::Cgroup("cpu".into()),
                "x/tasks",
            ),
            (
                "/sys/fs/cgroup/limit/cpu.weight",
                Place::Cgroup(UNIFIED.into()),
                "limit/cpu.weight",
            ),
            ("/proc/self/ns/uts", Place::Proc, "self/ns/uts"),
        ] {
            let path: SpecPath = text.parse().unwrap();
            assert_eq!(
                (path.place, path.relative),
                (place, PathBuf::from(relative)),
                "{text}"
            );
        }
    }

    #[test]
    fn what_leads_out_is_refused() {
        for text in [
            "..",
            "a/../b",
            "/etc/passwd",
            "/sys/fs/cgroupx",
            "/sys/fs/cgroup/../x",
            "/",
            "",
        ] {
            assert!(text.parse::<SpecPath>().is_err(), "{text}");
        }
        assert!("/proc/sys/kernel/hostname".parse::<WritablePath>().is_err());
    }

    #[test]
    fn a_path_is_shown_as_it_was_written() {
        for text in [
            "a/b",
            ".",
            "/proc/self",
            "/sys/fs/cgroup/cpu",
            "/sys/fs/cgroup/x",
            "/sys/fs/cgroup",
        ] {
            assert_eq!(text.parse::<SpecPath>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn the_longest_path_is_one_of_1024_bytes() {
        assert!("x".repeat(LENGTH_LIMIT).parse::<SpecPath>().is_ok());
        assert!("x".repeat(LENGTH_LIMIT + 1).parse::<SpecPath>().is_err());
    }
}
