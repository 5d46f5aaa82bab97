//! `listen`: a server in the background.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::num::NonZeroU16;
use std::os::fd::{AsFd, IntoRawFd};

use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Session, Started};
use crate::sys::process::{close_from, exit_now, set_name, split};

/// Answers every TCP connection to a port with a line of text, from the end of the step until the session ends.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Listen {
    port: NonZeroU16,
    text: String,
}

const NAME: &str = "listen";

impl Verb for Listen {
    const USAGE: &'static str = "listen PORT TEXT…";
    const SUMMARY: &'static str =
        "Answer TCP connections to a port with a line of text, in the background";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let port = words.value("a port from 1 to 65535")?;
        let mut text = words.word("the text of the answer")?.text.clone();
        for word in words.rest() {
            text.push(' ');
            text.push_str(&word.text);
        }
        Ok(Self { port, text })
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        // Here, not in the child: the step says whether the port could be had, and ends when it can be connected to.
        let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, self.port.get()))
            .map_err(|error| Failure::io("bind", self.port, &error))?;
        let child = split().map_err(|errno| Failure::fork(NAME, errno))?;
        let Some(pid) = child else {
            exit_now(i32::from(self.serve(listener).is_err()));
        };
        session.started.push(Started {
            name: NAME.to_owned(),
            pid,
            cpu: None,
        });
        Ok(Output::nothing())
    }

    fn by_hand(&self, _line: &str) -> String {
        let Self { port, text } = self;
        let text = text.replace('\'', r"'\''");
        format!("while echo '{text}' | nc -lN {port}; do :; done &")
    }
}

impl Listen {
    /// It ends with the worker, the first process of its PID namespace. A signal at the death of its parent would end
    /// it with the `ip netns exec` that has started it.
    fn serve(&self, listener: TcpListener) -> std::io::Result<()> {
        set_name(NAME)?;
        nix::unistd::dup2_stdin(&listener)?;
        // Closed with all other descriptors of the worker, so nobody may close it again.
        let _ = listener.into_raw_fd();
        close_from(3);
        let listener = TcpListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
        loop {
            let (mut connection, _) = listener.accept()?;
            // Whoever has gone away does not want the answer.
            let _ = writeln!(connection, "{}", self.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn takes_a_port_and_the_rest_as_text() {
        let listen: Listen = parse("80 Hello from 'the  host'").unwrap();
        assert_eq!(
            (listen.port.get(), listen.text.as_str()),
            (80, "Hello from the  host")
        );
        assert_eq!(
            listen.by_hand(""),
            "while echo 'Hello from the  host' | nc -lN 80; do :; done &"
        );
        for (line, span) in [
            ("0 x", 0..1),
            ("65536 x", 0..5),
            ("http x", 0..4),
            ("80", 2..3),
        ] {
            assert_eq!(parse::<Listen>(line).unwrap_err().span, span, "{line}");
        }
    }
}
