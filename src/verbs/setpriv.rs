//! `setpriv`: a command as another user.

use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};
use serde::{Deserialize, Serialize};

use super::{Action, Verb, nested};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;

/// Runs another verb as a user and a group, by number, without other groups: a child process becomes them. setpriv(1)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Setpriv {
    user: u32,
    group: u32,
    action: Box<Action>,
}

impl Verb for Setpriv {
    const USAGE: &'static str = "setpriv --reuid USER --regid GROUP --clear-groups VERB…";
    const SUMMARY: &'static str = "Run another verb as a user and a group, by number";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        words.keyword(&["--reuid"])?;
        let user = words.value("a user's number")?;
        words.keyword(&["--regid"])?;
        let group = words.value("a group's number")?;
        words.keyword(&["--clear-groups"])?;
        Ok(Self {
            user,
            group,
            action: nested(words)?,
        })
    }

    fn prints(&self) -> bool {
        self.action.prints()
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        session.in_child("setpriv", |session| {
            self.become_them()?;
            self.action.perform(session)
        })
    }

    fn by_hand(&self, line: &str) -> String {
        let words: Vec<_> = line.split(' ').collect();
        let (command, rest) = words.split_at(words.len().min(6));
        let rest = self.action.by_hand(&rest.join(" "));
        match self.action.name() {
            // The redirection must be the other user's as well.
            "echo" => format!(
                "{} sh -c '{}'",
                command.join(" "),
                rest.replace('\'', "'\\''")
            ),
            _ => format!("{} {rest}", command.join(" ")),
        }
    }
}

impl Setpriv {
    /// The user last: it may no longer change the group.
    fn become_them(&self) -> Result<(), Failure> {
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        setgroups(&[]).map_err(|errno| Failure::errno("setgroups", "", errno))?;
        setresgid(group, group, group)
            .map_err(|errno| Failure::errno("setresgid", group, errno))?;
        setresuid(user, user, user).map_err(|errno| Failure::errno("setresuid", user, errno))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verbs::tests::parse;

    #[test]
    fn the_user_and_the_command_are_read() {
        let line = "--reuid 1000 --regid 100 --clear-groups id -u";
        let setpriv: Setpriv = parse(line).unwrap();
        assert_eq!((setpriv.user, setpriv.group), (1000, 100));
        assert!(setpriv.prints());
        let line = format!("setpriv {line}");
        assert_eq!(setpriv.by_hand(&line), line);
        let line = "--reuid 1000 --regid 100 --clear-groups echo Hello > a";
        let by_hand = parse::<Setpriv>(line)
            .unwrap()
            .by_hand(&format!("setpriv {line}"));
        assert!(
            by_hand.ends_with("--clear-groups sh -c 'echo Hello > a'"),
            "{by_hand}"
        );
        for line in ["--reuid root", "--reuid 1 --regid 1 id -u", "id -u"] {
            assert!(parse::<Setpriv>(line).is_err(), "{line}");
        }
    }
}
