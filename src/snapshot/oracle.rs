//! The randomised test: what is written here insta reads, and what insta writes is read here, as the same snapshot.

use std::fs;
use std::path::Path;

use insta::TextSnapshotKind;
use insta::internals::TextSnapshotContents;

use super::{Snapshot, normalise, parse, read, render};
use crate::source::Source;

const ROUNDS: usize = 1000;

/// What a transcript may hold that a reader or writer may trip over.
const CONTENTS: [&str; 33] = [
    "# ps -ef",
    "a",
    "PID",
    " ",
    "  ",
    "\t",
    "\n",
    "\n",
    "\n",
    "\n\n",
    "\r\n",
    "\r\r\n",
    "\r",
    "---",
    "---\n",
    "\n---\n",
    "---\r\n",
    "\n--- \n",
    "source: x\n",
    "é",
    "안녕",
    "\u{1f980}",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\0",
    "\x1b[31m",
    "<<<<<<< HEAD\n",
    "\n=======\n",
    "\n>>>>>>> b\n",
    "\"'",
    ": #",
];

/// What a path or a title may hold that YAML may trip over.
const VALUES: [&str; 48] = [
    "specs/",
    "a",
    "b.yaml",
    " ",
    "  ",
    "-",
    "--- ",
    ":",
    ": ",
    "#",
    " #",
    "'",
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    "&",
    "*",
    "?",
    "|",
    "<",
    ">",
    "=",
    "!",
    "%",
    "@",
    "`",
    ".",
    "null",
    "Null",
    "~",
    "yes",
    "NO",
    "true",
    "0x1f",
    "12",
    "-1",
    "1.5",
    "1e3",
    "inf",
    "NaN",
    "é",
    "안녕",
    "\u{1f980}",
    "\u{a0}",
];

/// What a title hardly holds; insta does not read back all that it writes of these.
const HIDDEN: [&str; 17] = [
    "\n", "\r", "\t", "\0", "\x07", "\x08", "\x0b", "\x0c", "\x1b", "\x7f", "\u{85}", "\u{9f}",
    "\u{2028}", "\u{2029}", "\u{feff}", "\u{ffff}", "0o17",
];

/// xorshift64*, seeded, so that a failure comes again.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let bits = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(bits).unwrap() % limit
    }

    fn text(&mut self, parts: &[&str], length: usize) -> String {
        (0..self.below(length + 1))
            .map(|_| parts[self.below(parts.len())])
            .collect()
    }

    fn contents(&mut self) -> String {
        let mut text = self.text(&CONTENTS, 24);
        if self.below(40) == 0 {
            text.push_str(&"long ".repeat(1 + self.below(40_000)));
        }
        text
    }

    fn value(&mut self, hidden: bool) -> String {
        let mut text = self.text(&VALUES, 4);
        if hidden && self.below(2) == 0 {
            text.insert_str(0, HIDDEN[self.below(HIDDEN.len())]);
            text.push_str(&self.text(&VALUES, 2));
        }
        text
    }

    fn snapshot(&mut self, hidden: bool) -> Snapshot {
        Snapshot::new(self.value(hidden), self.value(hidden), self.contents())
    }
}

fn insta_reads(path: &Path) -> insta::Snapshot {
    insta::Snapshot::from_file(path).unwrap()
}

fn here_reads(path: &Path) -> Snapshot {
    read(path).unwrap().unwrap().snapshot
}

/// Writes without the sync of `write`, which would take most of the test's time; false where that refuses.
fn put(path: &Path, snapshot: &Snapshot) -> bool {
    let text = render(snapshot);
    fs::write(path, &text).unwrap();
    parse(&Source::new("x.snap", text)).is_ok()
}

/// Compares with insta's strictest comparison, which normalises nothing.
fn assert_same(theirs: &insta::Snapshot, ours: &Snapshot) {
    let metadata = theirs.metadata();
    assert_eq!(metadata.source().unwrap_or(""), ours.source);
    assert_eq!(metadata.description().unwrap_or(""), ours.description);
    let contents = TextSnapshotContents::new(ours.contents.clone(), TextSnapshotKind::File);
    assert!(
        theirs.as_text().unwrap().matches_fully(&contents),
        "{theirs:?}\n{ours:?}"
    );
}

#[test]
fn insta_reads_what_is_written_here() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.snap");
    let mut random = Random(0x5eed);
    let mut refused = 0;
    for _ in 0..ROUNDS {
        let snapshot = random.snapshot(true);
        if !put(&path, &snapshot) {
            // Only what looks like an unfinished merge is refused.
            let after = |marker: &str| {
                snapshot
                    .contents
                    .split_once(marker)
                    .map(|(_, rest)| rest.to_owned())
            };
            assert!(after("<<<<<<< ").unwrap().contains("======="));
            refused += 1;
            continue;
        }
        assert_same(&insta_reads(&path), &snapshot);
        assert_eq!(here_reads(&path), snapshot);
    }
    assert!(refused < ROUNDS / 20, "{refused} refused");
}

#[test]
fn what_insta_writes_is_read_here_and_is_the_same_file() {
    let folder = tempfile::tempdir().unwrap();
    let (path, saved) = (
        folder.path().join("x.snap"),
        folder.path().join("saved.snap"),
    );
    let mut random = Random(0xcafe);
    for _ in 0..ROUNDS {
        let snapshot = random.snapshot(false);
        if !put(&path, &snapshot) {
            continue;
        }
        insta_reads(&path).save(&saved).unwrap();
        assert_eq!(here_reads(&saved), snapshot);
        assert_eq!(
            fs::read_to_string(&saved).unwrap(),
            fs::read_to_string(&path).unwrap()
        );
    }
}

#[test]
fn other_keys_and_foreign_line_ends_are_read_as_insta_reads_them() {
    let folder = tempfile::tempdir().unwrap();
    let (path, saved) = (
        folder.path().join("x.snap"),
        folder.path().join("saved.snap"),
    );
    let mut random = Random(0xf00d);
    for _ in 0..ROUNDS {
        let header = render(&Snapshot::new(random.value(false), random.value(false), ""));
        let header = header.strip_suffix("---\n\n").unwrap();
        let keys = "assertion_line: 7\nexpression: \"a: b\"\ninfo:\n  - x: 1\n    y: [.5, ~]\ninput_file: a/b\n";
        let contents = random.contents();
        let mut text = format!("{header}{keys}snapshot_kind: text\n---\n{contents}");
        if random.below(2) == 0 {
            text = text.replace('\n', "\r\n");
        }
        fs::write(&path, &text).unwrap();
        let Ok(ours) = read(&path) else {
            assert!(text.contains("<<<<<<<"), "{text:?}");
            continue;
        };
        let (ours, theirs) = (ours.unwrap().snapshot, insta_reads(&path));
        let metadata = theirs.metadata();
        assert_eq!(metadata.source().unwrap_or(""), ours.source);
        assert_eq!(metadata.description().unwrap_or(""), ours.description);
        assert_eq!(
            normalise(&theirs.as_text().unwrap().to_string()),
            ours.contents
        );
        theirs.save(&saved).unwrap();
        assert_eq!(here_reads(&saved), ours);
    }
}
