//! Users and groups of a new user namespace. See user_namespaces(7), newuidmap(1), subuid(5).

use std::process::{Command, Stdio};

use nix::errno::Errno;
use nix::unistd::{Gid, Pid, Uid};
use serde::{Deserialize, Serialize};

/// A range of subordinate ids: as many as `count`, from `first` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Range {
    /// The first one, as the outer user namespace numbers it.
    pub first: u32,
    /// How many there are.
    pub count: u32,
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} from {} on", self.count, self.first)
    }
}

/// The ids that a user may give to a user namespace beside its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct SubordinateIds {
    /// Users.
    pub users: Range,
    /// Groups.
    pub groups: Range,
}

/// A program that did not write a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MapError {
    /// It could not be executed.
    Execute(&'static str, Errno),
    /// It refused, with these words.
    Refused(&'static str, String),
}

impl SubordinateIds {
    /// Maps the caller to 0 and the subordinate ids to 1, 2, … in the user namespace of `process`.
    ///
    /// Only a privileged process may map ids that are not its own, so newuidmap(1) and newgidmap(1) do it, which know who
    /// may have which.
    ///
    /// # Errors
    /// One of the programs is not there, or refuses.
    pub fn map(&self, process: Pid) -> Result<(), MapError> {
        let (user, group) = (Uid::effective().as_raw(), Gid::effective().as_raw());
        write_map("newuidmap", process, user, self.users)?;
        write_map("newgidmap", process, group, self.groups)
    }
}

fn write_map(program: &'static str, process: Pid, own: u32, range: Range) -> Result<(), MapError> {
    let Range { first, count } = range;
    let numbers = [0, own, 1, 1, first, count].map(|number| number.to_string());
    let output = Command::new(program)
        .arg(process.to_string())
        .args(numbers)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| MapError::Execute(program, super::beneath::errno_of(&error)))?;
    match output.status.success() {
        true => Ok(()),
        false => {
            let words = String::from_utf8_lossy(&output.stderr);
            Err(MapError::Refused(program, words.trim().to_owned()))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_shown_by_its_length_and_its_first() {
        let range = Range {
            first: 100_000,
            count: 65_536,
        };
        assert_eq!(range.to_string(), "65536 from 100000 on");
    }

    #[test]
    fn a_program_that_does_not_write_a_map_is_named() {
        let range = Range { first: 1, count: 1 };
        let absent = write_map("/absent/newuidmap", Pid::this(), 0, range);
        let absent_program = MapError::Execute("/absent/newuidmap", Errno::ENOENT);
        assert_eq!(absent, Err(absent_program));
        // It takes the words for a file that is not there.
        match write_map("cat", Pid::this(), 0, range) {
            Err(MapError::Refused("cat", words)) => assert!(words.contains("cat: "), "{words}"),
            other => panic!("{other:?}"),
        }
        assert_eq!(write_map("true", Pid::this(), 0, range), Ok(()));
    }
}
