//! `setpriv`: a command as another user.

use nix::unistd::{Gid, Uid};
use serde::{Deserialize, Serialize};

use super::{Action, Verb, nested};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::process::become_user;

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
            become_user(Uid::from_raw(self.user), Gid::from_raw(self.group))
                .map_err(|(call, errno)| Failure::errno(call, self.user, errno))?;
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
