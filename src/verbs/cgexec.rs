//! `cgexec`: a command in a cgroup.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{Action, Verb, nested};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Place, Session, SpecPath};
use crate::sys::cgroup::{UNIFIED, V1_CONTROLLERS, V2_CONTROLLERS};
use crate::sys::cgroupfs;

/// Runs another verb in a cgroup: a child process enters the group before it begins. cgexec(1)
///
/// The group is that of the controller's own hierarchy in cgroup v1, where the experiment needs that, else of cgroup v2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cgexec {
    controller: String,
    group: PathBuf,
    action: Box<Action>,
}

impl Verb for Cgexec {
    const USAGE: &'static str = "cgexec -g CONTROLLER:GROUP VERB…";
    const SUMMARY: &'static str = "Run another verb in a cgroup";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        words.keyword(&["-g"])?;
        let word = words.word("CONTROLLER:GROUP")?;
        let wrong = |error| LineError::new(word.span.clone(), format!("`{}`: {error}", word.text));
        let (controller, group) = controller_and_group(&word.text).map_err(wrong)?;
        Ok(Self {
            controller,
            group,
            action: nested(words)?,
        })
    }

    fn prints(&self) -> bool {
        self.action.prints()
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let hierarchy = match session.cgroup(&self.controller) {
            Some(_) => &self.controller,
            None => UNIFIED,
        };
        let members = SpecPath {
            place: Place::Cgroup(hierarchy.to_owned()),
            relative: self.group.join("cgroup.procs"),
        };
        session.in_child("cgexec", |session| {
            let (root, path) = session.resolve(&members)?;
            cgroupfs::enter(root, &path)
                .map_err(|errno| Failure::errno("write", &members, errno))?;
            self.action.perform(session)
        })
    }

    fn by_hand(&self, line: &str) -> String {
        let command = line.split(' ').take(3).collect::<Vec<_>>().join(" ");
        let rest = line.split(' ').skip(3).collect::<Vec<_>>().join(" ");
        format!("{command} {}", self.action.by_hand(&rest))
    }
}

fn controller_and_group(text: &str) -> Result<(String, PathBuf), String> {
    let (controller, group) = text
        .split_once(':')
        .ok_or("expected a controller and a group, such as pids:limit_4")?;
    if !V1_CONTROLLERS
        .iter()
        .chain(&V2_CONTROLLERS)
        .any(|name| *name == controller)
    {
        return Err(format!("no controller is named {controller}"));
    }
    let path: SpecPath = group.parse()?;
    match path.place {
        Place::Here => Ok((controller.to_owned(), path.relative)),
        _ => Err("an absolute path leads out of the experiment's own group".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn the_group_and_the_command_are_read() {
        let cgexec: Cgexec = parse("-g memory:limit_16M hog memory 64M").unwrap();
        assert_eq!(cgexec.controller, "memory");
        assert_eq!(cgexec.group, PathBuf::from("limit_16M"));
        assert_eq!(cgexec.action.name(), "hog");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let error = parse::<Cgexec>("-g memory:../x hog memory 1M").unwrap_err();
        assert_eq!(error.span, 3..14);
        for group in ["memory", "memry:x", "memory:/proc/x", "memory:"] {
            assert!(
                parse::<Cgexec>(&format!("-g {group} hog memory 1M")).is_err(),
                "{group}"
            );
        }
        let error = parse::<Cgexec>("-g memory:x hg memory 1M").unwrap_err();
        assert_eq!(
            (error.span, error.nearest.as_deref()),
            (12..14, Some("hog"))
        );
    }
}
