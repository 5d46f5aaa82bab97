//! `connect`: what a server says.

use std::io::{BufRead, BufReader, Read};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Verb;
use super::ip::settle;
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;

/// Connects to a TCP port and prints the first line that comes from there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Connect {
    server: SocketAddr,
}

/// How long the connection and the answer may take, each.
const LIMIT: Duration = Duration::from_secs(5);

/// The longest line, in bytes.
const LENGTH_LIMIT: u64 = 4096;

impl Verb for Connect {
    const USAGE: &'static str = "connect ADDRESS:PORT";
    const SUMMARY: &'static str = "Connect to a TCP port and print the line that it answers";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let server = words.value("ADDRESS:PORT")?;
        Ok(Self { server })
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        settle::everywhere(session)?;
        let failed = |call| move |error| Failure::io(call, self.server, &error);
        let connection =
            TcpStream::connect_timeout(&self.server, LIMIT).map_err(failed("connect"))?;
        connection
            .set_read_timeout(Some(LIMIT))
            .map_err(failed("setsockopt"))?;
        let mut line = Vec::new();
        BufReader::new(connection.take(LENGTH_LIMIT))
            .read_until(b'\n', &mut line)
            .map_err(failed("recv"))?;
        Ok(Output::lines(String::from_utf8_lossy(&line).lines()))
    }

    fn by_hand(&self, _line: &str) -> String {
        format!("nc {} {} < /dev/null", self.server.ip(), self.server.port())
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn takes_an_address_with_a_port() {
        let connect: Connect = parse("127.0.0.1:80").unwrap();
        assert_eq!(connect.by_hand(""), "nc 127.0.0.1 80 < /dev/null");
        assert!(parse::<Connect>("[::1]:80").is_ok());
        for line in ["127.0.0.1", "localhost:80", "127.0.0.1:65536"] {
            assert_eq!(parse::<Connect>(line).unwrap_err().span, 0..line.len());
        }
        assert_eq!(parse::<Connect>("127.0.0.1:80 x").unwrap_err().span, 13..14);
    }
}
