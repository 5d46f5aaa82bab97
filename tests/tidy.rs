//! The layout's rules: who may use whom, where `unsafe` may stand, what belongs together.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// For each part of `src/` the parts that it may use. The data goes from the top to the bottom of this table.
const MAY_USE: &[(&str, &[&str])] = &[
    ("sys", &["measure"]),
    ("source", &[]),
    ("digest", &[]),
    ("replace", &[]),
    ("program", &["digest", "sys"]),
    ("recording", &[]),
    ("diagnose", &["host", "recording"]),
    ("measure", &[]),
    ("yaml", &["line", "source"]),
    ("line", &["source"]),
    ("need", &["line", "sys"]),
    ("session", &["recording", "sys"]),
    ("verbs", &["line", "measure", "recording", "session", "sys"]),
    (
        "spec",
        &["line", "need", "recording", "source", "verbs", "yaml"],
    ),
    ("host", &["sys"]),
    (
        "plan",
        &["host", "need", "recording", "source", "spec", "sys"],
    ),
    (
        "worker",
        &[
            "host",
            "need",
            "plan",
            "recording",
            "session",
            "spec",
            "sys",
        ],
    ),
    ("transcript", &["recording"]),
    ("snapshot", &["digest", "replace", "source", "yaml"]),
    ("compare", &["snapshot"]),
    (
        "outcome",
        &["compare", "recording", "snapshot", "transcript"],
    ),
    (
        "policy",
        &["digest", "measure", "need", "source", "spec", "yaml"],
    ),
    ("verdict", &["compare", "outcome", "policy", "source"]),
    (
        "results",
        &[
            "compare",
            "diagnose",
            "digest",
            "host",
            "outcome",
            "policy",
            "program",
            "recording",
            "snapshot",
            "source",
            "spec",
            "transcript",
            "verdict",
        ],
    ),
    (
        "report",
        &[
            "compare", "digest", "host", "outcome", "policy", "results", "source", "verdict",
        ],
    ),
    (
        "audit",
        &[
            "compare", "outcome", "report", "results", "source", "verdict",
        ],
    ),
    (
        "pipeline",
        &[
            "diagnose",
            "host",
            "outcome",
            "plan",
            "policy",
            "program",
            "recording",
            "results",
            "snapshot",
            "source",
            "spec",
            "transcript",
            "verdict",
            "worker",
        ],
    ),
    (
        "cli",
        &[
            "audit",
            "compare",
            "digest",
            "host",
            "pipeline",
            "plan",
            "policy",
            "recording",
            "replace",
            "report",
            "results",
            "snapshot",
            "source",
            "spec",
            "verbs",
            "verdict",
        ],
    ),
    ("main", &["cli", "worker"]),
    ("lib", &[]),
];

/// The longest file, in lines before its tests. A longer one has more than one purpose.
const LINES: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<(PathBuf, String)> {
    let files = walkdir::WalkDir::new(root().join("src"))
        .into_iter()
        .filter_map(Result::ok);
    let rust = files.filter(|file| {
        file.path()
            .extension()
            .is_some_and(|extension| extension == "rs")
    });
    rust.map(|file| {
        (
            file.path().to_owned(),
            fs::read_to_string(file.path()).unwrap(),
        )
    })
    .collect()
}

/// The part that a file belongs to: the first name below `src/`.
fn part(path: &Path) -> String {
    let below = path.strip_prefix(root().join("src")).unwrap();
    let first = below
        .components()
        .next()
        .unwrap()
        .as_os_str()
        .to_string_lossy();
    first.trim_end_matches(".rs").to_owned()
}

fn uses(text: &str) -> BTreeSet<String> {
    let after = text
        .split("crate::")
        .skip(1)
        .chain(text.split("verify::").skip(1));
    let name = |rest: &str| {
        rest.chars()
            .take_while(|c| c.is_alphanumeric() || *c == '_')
            .collect::<String>()
    };
    after.map(name).filter(|name| !name.is_empty()).collect()
}

#[test]
fn parts_use_only_what_the_table_allows() {
    for (path, text) in sources() {
        let part = part(&path);
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| {
                panic!("{part} is not in the table: say in tests/tidy.rs what it may use")
            });
        for used in uses(&text) {
            let fine = used == part || allowed.contains(&used.as_str()) || part == "lib";
            assert!(
                fine,
                "{} uses {used}, which the table does not allow",
                path.display()
            );
        }
    }
}

#[test]
fn unsafe_stands_in_sys_alone() {
    for (path, text) in sources() {
        let code = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));
        let found = code
            .filter(|line| line.contains("unsafe ") || line.contains("allow(unsafe_code)"))
            .count();
        assert!(
            found == 0 || part(&path) == "sys",
            "{} has unsafe code",
            path.display()
        );
    }
}

#[test]
fn every_file_says_what_it_is_and_has_one_purpose() {
    for (path, text) in sources() {
        assert!(
            text.starts_with("//! ") || path.ends_with("tests.rs"),
            "{} does not begin with what it is",
            path.display()
        );
        let code = text.lines().take_while(|line| *line != "#[cfg(test)]");
        let lines = code.count();
        assert!(
            lines <= LINES,
            "{} has {lines} lines: split it",
            path.display()
        );
    }
}

fn stems(folder: &str, extension: &str) -> BTreeSet<String> {
    let files = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let files = files.filter(|file| file.extension().is_some_and(|found| found == extension));
    files
        .map(|file| file.file_stem().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn specs_and_snapshots_come_in_pairs() {
    assert_eq!(stems("specs", "yaml"), stems("snapshots", "snap"));
}

#[test]
fn every_experiment_is_in_the_default_policy() {
    let policy = verify::policy::built_in(verify::policy::DEFAULT).unwrap();
    let named: BTreeSet<_> = policy.names().map(|name| name.value.clone()).collect();
    assert_eq!(named, stems("specs", "yaml"));
}

#[test]
fn every_verb_has_a_file_and_every_file_a_verb() {
    let listed = fs::read_to_string(root().join("src/verbs/mod.rs")).unwrap();
    let folders = fs::read_dir(root().join("src/verbs")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path());
    let folders = folders.filter(|path| path.is_dir());
    let folders = folders.map(|path| path.file_name().unwrap().to_string_lossy().into_owned());
    for file in stems("src/verbs", "rs").into_iter().chain(folders) {
        let entry = format!("=> {file}::");
        assert!(
            ["mod", "tests"].contains(&file.as_str()) || listed.contains(&entry),
            "src/verbs/{file} is in no list of verbs"
        );
    }
}

/// The rows of the tutorial, as the specs' comments name them: `G1`, or `O1-O5`.
#[test]
fn every_row_of_the_tutorial_has_a_spec() {
    let mut rows = BTreeSet::new();
    for name in stems("specs", "yaml") {
        let text = fs::read_to_string(root().join(format!("specs/{name}.yaml"))).unwrap();
        let comment: String = text
            .lines()
            .take_while(|line| line.starts_with('#'))
            .collect();
        for word in comment.split(|c: char| !c.is_alphanumeric() && c != '-') {
            rows.extend(expand(word));
        }
    }
    let all = [("C", 6), ("P", 3), ("U", 5), ("N", 10), ("G", 6), ("O", 6)];
    let all = all
        .iter()
        .flat_map(|(letter, last)| (1..=*last).map(move |number| format!("{letter}{number}")));
    let missing: Vec<_> = all.filter(|row| !rows.contains(row)).collect();
    assert!(missing.is_empty(), "no spec names these rows: {missing:?}");
}

fn expand(word: &str) -> Vec<String> {
    let row = |text: &str| {
        let number = text.get(1..)?.parse::<u32>().ok()?;
        Some((text.chars().next()?, number))
    };
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    match (row(first), row(last)) {
        (Some((letter, first)), Some((_, last))) => (first..=last)
            .map(|number| format!("{letter}{number}"))
            .collect(),
        _ => Vec::new(),
    }
}
