use super::*;

fn read(text: &str) -> Result<Stored, SourceError> {
    parse(&Source::new("chroot.snap", text))
}

#[test]
fn contents_are_what_stands_below_the_header() {
    let stored =
        read("---\nsource: specs/x.yaml\ndescription: \"a: b\"\n---\n\n# pwd\n---\n/ \n\n")
            .unwrap();
    assert_eq!(
        stored.snapshot,
        Snapshot::new("specs/x.yaml", "a: b", "\n# pwd\n---\n/")
    );
    assert_eq!(
        (stored.first_line, stored.name.as_str()),
        (5, "chroot.snap")
    );
}

#[test]
fn values_in_any_style_of_yaml_are_read() {
    let text = "---\nsource: 'it''s'\ndescription: |-\n  one\n  two\nsnapshot_kind: text\n---\nx";
    let stored = read(text).unwrap();
    assert_eq!(stored.snapshot, Snapshot::new("it's", "one\ntwo", "x"));
    assert_eq!(stored.first_line, 8);
}

#[test]
fn a_snapshot_is_written_as_cargo_insta_leaves_it() {
    let snapshot = Snapshot::new("specs/x.yaml", "Of # and: \"b\"", "# pwd\n/\n\n");
    let text = "---\nsource: specs/x.yaml\ndescription: \"Of # and: \\\"b\\\"\"\n---\n# pwd\n/\n";
    assert_eq!(render(&snapshot), text);
    assert_eq!(
        render(&Snapshot::new("", "", "")),
        "---\nsource: \"\"\n---\n\n"
    );
}

#[test]
fn what_has_an_escape_of_its_own_is_written_with_it_as_insta_does() {
    let snapshot = Snapshot::new("a\tb\nc\rd\u{8}e\u{c}f\0", "", "/");
    let text = "---\nsource: \"a\\tb\\nc\\rd\\be\\ff\\u0000\"\n---\n/\n";
    assert_eq!(render(&snapshot), text);
}

#[test]
fn what_is_no_text_snapshot_is_refused_with_its_line_and_a_remedy() {
    let legacy = "Created: 2019-01-22T18:36:26Z\nCreator: insta@0.5.2\nSource: tests/x.rs\n\n/\n";
    let merge = "---\nsource: a\n---\n# pwd\n<<<<<<< HEAD\n/\n=======\n/root\n>>>>>>> topic\n";
    for (text, message, at, remedy) in [
        ("", "empty", "chroot.snap:1:1", "restore it"),
        (" \n\n", "empty", "chroot.snap:1:1", "restore it"),
        (
            "# pwd\n/\n",
            "no header",
            "chroot.snap:1:1",
            "must be `---`",
        ),
        (
            "\n---\nsource: a\n---\n",
            "no header",
            "chroot.snap:1:1",
            "must be `---`",
        ),
        (
            " ---\nsource: a\n---\n",
            "no header",
            "chroot.snap:1:1",
            "must be `---`",
        ),
        (
            legacy,
            "first format",
            "chroot.snap:1:1",
            "--force-update-snapshots",
        ),
        (
            "\u{feff}---\na: b\n---\n",
            "byte order mark",
            "chroot.snap:1:1",
            "without",
        ),
        (
            "---\nsource: a\n# pwd\n",
            "no end",
            "chroot.snap:1:1",
            "restore it",
        ),
        ("---\n---\nx\n", "no keys", "chroot.snap:1:1", "restore it"),
        (
            "---\n- source\n---\nx\n",
            "no keys",
            "chroot.snap:1:1",
            "restore it",
        ),
        (
            "---\nsource: [a\n---\nx\n",
            "not valid YAML",
            "chroot.snap:",
            "",
        ),
        (
            "---\nsource:\n  a: b\n---\nx\n",
            "must be text",
            "chroot.snap:3:",
            "",
        ),
        (
            "---\nsource: a\nsource: b\n---\n",
            "duplicate key",
            "chroot.snap:3:1",
            "remove one",
        ),
        (
            "---\nsource: a\nsnapshot_kind: binary\n---\n",
            "binary",
            "chroot.snap:3:16",
            "delete it",
        ),
        (
            merge,
            "^^^^^^^^^^^^ an unfinished merge begins here",
            "chroot.snap:5:1",
            "one of the two sides",
        ),
    ] {
        let error = read(text).unwrap_err().to_string();
        for words in [message, at, remedy] {
            assert!(error.contains(words), "{words:?} is not in\n{error}");
        }
    }
}

#[test]
fn a_conflict_within_the_header_is_called_a_conflict() {
    let text =
        "---\n<<<<<<< HEAD\r\nsource: a\r\n=======\r\nsource: b\r\n>>>>>>> topic\r\n---\nx\n";
    assert!(read(text).unwrap_err().to_string().contains("conflict"));
}

#[test]
fn a_line_that_only_looks_like_a_marker_is_contents() {
    for text in [
        "<<<<<<< a\nb",
        "=======\n>>>>>>> b",
        ">>>>>>> b\n=======\n<<<<<<< a",
    ] {
        let stored = read(&format!("---\nsource: a\n---\n{text}\n")).unwrap();
        assert_eq!(stored.snapshot.contents, text);
    }
}

#[test]
fn what_makes_insta_panic_is_read() {
    let stored = read("---\nsource: a\ndescription: .inf\n---\nx\n").unwrap();
    assert_eq!(stored.snapshot.description, ".inf");
}
