//! `ping`: whether another address answers.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::ip::settle;
use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::icmp::{self, PingGroupRange};

/// Sends echo requests, each after the answer to the one before. ping(8)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Ping {
    /// How many.
    #[arg(short, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=100))]
    count: Option<u16>,
    /// How many seconds to wait for each answer. A spec's time limit must be longer than all that its pings may wait, so
    /// that silence is the kernel's answer and not the run's trouble.
    #[arg(short = 'W', value_name = "SECONDS", default_value_t = 3,
          value_parser = clap::value_parser!(u64).range(1..=60))]
    wait: u64,
    #[arg(value_name = "ADDRESS")]
    address: IpAddr,
}

/// As many as the tutorial sends before it presses Ctrl-C.
const COUNT: u16 = 2;

impl Verb for Ping {
    const USAGE: &'static str = "ping [-c COUNT] [-W SECONDS] ADDRESS";
    const SUMMARY: &'static str = "Print how many of 2, or COUNT, echo requests an address answers";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        settle::everywhere(session)?;
        let pinged = icmp::ping(
            self.address,
            &icmp::Options {
                count: self.count.unwrap_or(COUNT),
                timeout: Duration::from_secs(self.wait),
                scope_id: 0,
                // The worker has a network namespace of its own, and every other one of the session is new.
                ping_group_range: PingGroupRange::Widen,
            },
        )?;
        let mut output = Output::lines([
            format!("PING {}", self.address),
            statistics(pinged.transmitted, pinged.received),
        ]);
        for rtt in pinged.rtts {
            output.evidence(format!("{} answered after {rtt:?}", self.address));
        }
        Ok(output)
    }

    fn by_hand(&self, line: &str) -> String {
        match self.count {
            Some(_) => line.to_owned(),
            None => line.replacen("ping", &format!("ping -c {COUNT}"), 1),
        }
    }
}

fn statistics(transmitted: u16, received: u16) -> String {
    let (sent, got) = (u32::from(transmitted), u32::from(received));
    let loss = (100 * sent.saturating_sub(got))
        .checked_div(sent)
        .unwrap_or(0);
    format!("{sent} packets transmitted, {got} received, {loss}% packet loss")
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    #[test]
    fn takes_an_address_and_bounded_numbers() {
        let ping: Ping = parse("1.2.3.5").unwrap();
        assert_eq!((ping.count, ping.wait), (None, 3));
        assert_eq!(ping.by_hand("ping 1.2.3.5"), "ping -c 2 1.2.3.5");
        let ping: Ping = parse("-c 3 -W 1 fe80::1").unwrap();
        assert_eq!((ping.count, ping.wait), (Some(3), 1));
        assert_eq!(ping.by_hand("ping -c 3 fe80::1"), "ping -c 3 fe80::1");
        for (line, word) in [
            ("example.org", "example.org"),
            ("-c 0 1.2.3.5", "0"),
            ("-W 61 1.2.3.5", "61"),
            ("1.2.3.5 1.2.3.6", "1.2.3.6"),
        ] {
            let error = parse::<Ping>(line).unwrap_err();
            assert_eq!(&line[error.span.clone()], word, "{error:?}");
        }
    }

    #[test]
    fn loss_is_in_percent() {
        assert_eq!(
            statistics(2, 2),
            "2 packets transmitted, 2 received, 0% packet loss"
        );
        assert_eq!(
            statistics(3, 2),
            "3 packets transmitted, 2 received, 33% packet loss"
        );
    }
}
