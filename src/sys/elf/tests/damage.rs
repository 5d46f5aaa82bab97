//! Files that are no programs, or not what they say.

use std::time::{Duration, Instant};

use super::*;

#[test]
fn a_library_that_is_none_is_named_in_the_error() {
    let root = Root::new();
    root.elf("a", &program().runpath("$ORIGIN").needed(&["b", "c"]))
        .write("b", b"/* GNU ld script */");
    let error = root.error("a");
    assert_eq!(error.path, root.path("b"));
    assert!(
        error.to_string().ends_with("/b: is not an ELF file"),
        "{error}"
    );
    fs::remove_file(root.path("b")).unwrap();
    fs::create_dir(root.path("b")).unwrap();
    assert!(matches!(root.error("a").cause, Cause::NotRegular));
}

#[test]
fn what_is_no_program_says_so() {
    let root = Root::new();
    root.write("script", b"#!/bin/sh -e\n")
        .write("empty", b"")
        .write("d/x", b"");
    nix::unistd::mkfifo(&root.path("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let text = |name| root.error(name).to_string();
    assert!(text("script").ends_with("script: is a script, its program is /bin/sh"));
    assert!(text("empty").ends_with("empty: is not an ELF file"));
    assert!(text("d").ends_with("d: is not a regular file"));
    assert!(text("pipe").ends_with("pipe: is not a regular file"));
    assert!(text("none").ends_with("none: cannot be read: No such file or directory (os error 2)"));
}

#[test]
fn sizes_in_a_hostile_file_cost_nothing() {
    const TERABYTE: u64 = 1 << 40;
    let root = Root::new();
    let good = program().needed(&["b"]).build();
    let started = Instant::now();
    // The sizes of the three segments, and of the string table.
    for at in [64 + 32, 64 + 56 + 32, 64 + 112 + 32, 64 + 168 + 40 - 8] {
        let mut bytes = good.clone();
        bytes[at..at + 8].copy_from_slice(&(TERABYTE / 2).to_le_bytes());
        root.write("a", &bytes);
        let file = OpenOptions::new().write(true).open(root.path("a")).unwrap();
        file.set_len(TERABYTE).unwrap();
        let _ = closure(&root.path("a"));
    }
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[test]
fn a_thousand_libraries_in_a_chain_are_no_problem() {
    let root = Root::new();
    let next = |n: u32| format!("lib{n}");
    root.elf("a", &program().rpath("$ORIGIN").needed(&["lib0"]));
    for n in 0..1000 {
        root.elf(&next(n), &Elf::new().needed(&[&next(n + 1)]));
    }
    let found = root.libraries("a");
    assert_eq!(found.len(), 1001);
    assert_eq!(found[1000], "lib1000 => not found");
}
