//! What the kernel itself has said of late: /dev/kmsg, as dmesg(1) shows it.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::fcntl::OFlag;

/// One message takes at most so many bytes, with its fields: `PRINTK_MESSAGE_MAX` in the kernel's printk.
const LONGEST: usize = 8192;

/// What belongs together comes within this time, in microseconds.
const TOGETHER: u64 = 1_000_000;

/// A message of the kernel.
#[derive(Debug, Clone)]
pub struct Message {
    /// When, in microseconds since the kernel was started.
    at: u64,
    text: String,
}

/// All messages that are kept, the oldest first. None where the caller may not read them.
pub fn read(root: &Path) -> Vec<Message> {
    let nonblocking = OFlag::O_NONBLOCK.bits();
    let path = root.join("dev/kmsg");
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(nonblocking)
        .open(path);
    opened.map_or_else(|_| Vec::new(), drain)
}

/// One message for each read, in the device; a file gives them all at once.
fn drain(mut log: impl Read) -> Vec<Message> {
    let (mut messages, mut bytes) = (Vec::new(), [0; LONGEST]);
    loop {
        match log.read(&mut bytes) {
            Ok(0) => return messages,
            Ok(length) => messages.extend(parse(&String::from_utf8_lossy(&bytes[..length]))),
            // Messages were overwritten before they could be read; the next read gives the oldest that is left.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
            // WouldBlock is the end of what there is.
            Err(_) => return messages,
        }
    }
}

/// `priority,number,microseconds,flags;text`; lines that begin with a blank are more about the one before.
/// Documentation/ABI/testing/dev-kmsg
fn parse(text: &str) -> Vec<Message> {
    let message = |line: &str| {
        let (fields, text) = line.split_once(';')?;
        let at = fields.split(',').nth(2)?.parse().ok()?;
        let text = text.to_owned();
        Some(Message { at, text })
    };
    text.lines().filter_map(message).collect()
}

/// The last of the messages that begin so, and what came right before it, as evidence.
pub fn latest(messages: &[Message], beginning: &str) -> Vec<String> {
    let mut about: Vec<_> = messages
        .iter()
        .filter(|message| message.text.starts_with(beginning))
        .collect();
    let last = about.last().map_or(0, |message| message.at);
    about.retain(|message| last.saturating_sub(message.at) < TOGETHER);
    let mut quotes: Vec<_> = about
        .iter()
        .map(|message| format!("dmesg: {}", message.text))
        .collect();
    quotes.dedup();
    quotes
}

/// The last of the messages that has all these words, as evidence.
pub fn last(messages: &[Message], words: &[&str]) -> Option<String> {
    let has_all = |message: &&Message| words.iter().all(|word| message.text.contains(word));
    let found = messages.iter().rev().find(has_all)?;
    Some(format!("dmesg: {}", found.text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_messages_about_a_thing_are_quoted() {
        let messages = parse(
            "4,1,6200000,-;overlayfs: an old one\n\
             4,2,7000000,-;overlayfs: upper fs needs to support d_type.\n\
             \x20SUBSYSTEM=fs\n\
             6,3,7100000,-;eth0: link becomes ready\n\
             4,4,7200000,-;overlayfs: a; b\n\
             no message\n",
        );
        assert_eq!(
            latest(&messages, "overlayfs: "),
            [
                "dmesg: overlayfs: upper fs needs to support d_type.",
                "dmesg: overlayfs: a; b"
            ]
        );
        assert!(latest(&messages, "bridge: ").is_empty());
        assert_eq!(
            last(&messages, &["upper", "d_type"]).as_deref(),
            Some("dmesg: overlayfs: upper fs needs to support d_type.")
        );
        assert_eq!(last(&messages, &["eth0", "d_type"]), None);
    }

    /// A log that answers so, one read after the other.
    struct Log(Vec<Result<&'static str, ErrorKind>>);

    impl Read for Log {
        fn read(&mut self, bytes: &mut [u8]) -> std::io::Result<usize> {
            let text = self.0.remove(0)?;
            bytes[..text.len()].copy_from_slice(text.as_bytes());
            Ok(text.len())
        }
    }

    #[test]
    fn messages_that_were_overwritten_are_not_the_end_of_what_there_is() {
        let texts = |log| -> Vec<_> { drain(log).into_iter().map(|one| one.text).collect() };
        let (first, next) = ("4,1,5,-;first\n", "4,7,9,-;next\n");
        let overwritten = Log(vec![
            Ok(first),
            Err(ErrorKind::BrokenPipe),
            Ok(next),
            Err(ErrorKind::WouldBlock),
        ]);
        assert_eq!(texts(overwritten), ["first", "next"]);
        let ended = Log(vec![Ok(first), Err(ErrorKind::WouldBlock), Ok(next)]);
        assert_eq!(texts(ended), ["first"]);
    }

    #[test]
    fn a_log_that_cannot_be_read_says_nothing() {
        assert!(read(Path::new("/nowhere")).is_empty());
    }
}
