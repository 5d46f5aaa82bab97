//! Reviewed transcripts: files in the format of [insta](https://insta.rs/docs/snapshot-files/), so that `cargo insta` reviews them too.
//!
//! # Why insta does not read them here
//! insta reads from a path only, and snapshots are inside the binary as well. It names no line, takes a file without a
//! header for one of its first format, an unfinished header for a finished one, and panics on `description: .inf`.
//! So the format is read here, and a randomised test holds both readers and both writers to the same result.
//!
//! # Normal form
//! Contents are compared exactly, in the one form that insta's own writer leaves alone: lines end in `\n` (carriage returns
//! before it go), and white space at the very end of the text goes. Everything else counts: blank lines at the start, blanks
//! at the end of a line, a carriage return within a line. See [`normalise`].

mod file;
mod format;
#[cfg(test)]
mod oracle;
mod review;

pub use file::{SnapshotError, pending_path, read, remove_pending, write, write_pending};
pub use format::{parse, render};
pub use review::{Pending, accept, pending, reject};

/// What an experiment shows on a healthy host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The spec that it belongs to, as a path from the root of the package: `specs/overlayfs.yaml`.
    pub source: String,
    /// What the experiment shows, in a sentence; empty if it has none.
    pub description: String,
    /// The transcript in normal form, without a newline at its end.
    pub contents: String,
}

impl Snapshot {
    /// A snapshot of these contents, which are brought into normal form.
    pub fn new(
        source: impl Into<String>,
        description: impl Into<String>,
        contents: impl AsRef<str>,
    ) -> Self {
        Self {
            source: source.into(),
            description: description.into(),
            contents: normalise(contents.as_ref()),
        }
    }
}

/// A snapshot as it stands in a file, or in a text inside the binary.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// The file as the user named it.
    pub name: String,
    /// The digest of the whole file.
    pub sha256: String,
    /// The line of the file on which the contents begin, from 1.
    pub first_line: usize,
    /// What it holds.
    pub snapshot: Snapshot,
}

/// The text in normal form: see the first lines of this module.
///
/// Two texts mean the same if and only if their normal forms are equal.
#[must_use]
pub fn normalise(text: &str) -> String {
    let lines = text.trim_end().split('\n');
    let lines: Vec<_> = lines.map(|line| line.trim_end_matches('\r')).collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_line_ends_and_the_end_of_the_text_are_normalised() {
        for (text, normal) in [
            ("", ""),
            ("\n \n", ""),
            ("a\r\nb\r\n", "a\nb"),
            ("a\r\r\r\nb", "a\nb"),
            ("a\rb\n", "a\rb"),
            ("\n\n a  \n\n\tb \t\n", "\n\n a  \n\n\tb"),
        ] {
            assert_eq!(normalise(text), normal, "{text:?}");
            assert_eq!(normalise(normal), normal);
        }
    }
}
