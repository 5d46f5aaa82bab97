//! `cgexec`: a command in a cgroup.

use nix::fcntl::OFlag;
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use super::{Action, Verb, nested};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, SpecPath};
use crate::sys::beneath;

/// Runs another verb in a cgroup: a child process enters the group before it begins. cgexec(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Cgexec {
    group: SpecPath,
    action: Box<Action>,
}

impl Verb for Cgexec {
    const USAGE: &'static str = "cgexec -g CONTROLLER:GROUP VERB…";
    const SUMMARY: &'static str = "Run another verb in a cgroup";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        words.keyword(&["-g"])?;
        let group = words.word("CONTROLLER:GROUP")?;
        let path = group.text.replacen(':', "/", 1);
        let path = format!("/sys/fs/cgroup/{path}").parse();
        Ok(Self {
            group: path.map_err(|error: String| {
                LineError::new(group.span.clone(), format!("`{}`: {error}", group.text))
            })?,
            action: nested(words)?,
        })
    }

    fn prints(&self) -> bool {
        self.action.prints()
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        let members = SpecPath {
            relative: self.group.relative.join("cgroup.procs"),
            ..self.group.clone()
        };
        session.in_child("cgexec", |session| {
            let (root, path) = session.resolve(&members)?;
            // 0 is the process that writes it (cgroups(7)).
            beneath::open(root, &path, OFlag::O_WRONLY, Mode::empty())
                .and_then(|file| nix::unistd::write(&file, b"0"))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn the_group_and_the_command_are_read() {
        let cgexec: Cgexec = parse("-g memory:limit_16M hog memory 64M").unwrap();
        assert_eq!(cgexec.group.to_string(), "/sys/fs/cgroup/memory/limit_16M");
        assert_eq!(cgexec.action.name(), "hog");
    }

    #[test]
    fn what_is_wrong_is_pointed_at() {
        let error = parse::<Cgexec>("-g memory:../x hog memory 1M").unwrap_err();
        assert_eq!(error.span, 3..14);
        let error = parse::<Cgexec>("-g memory:x hg memory 1M").unwrap_err();
        assert_eq!(
            (error.span, error.nearest.as_deref()),
            (12..14, Some("hog"))
        );
    }
}
