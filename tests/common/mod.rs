//! What tests that run the program have in common.

use std::process::{Command, Output};

use libtest_mimic::Trial;

/// Runs it: its exit code, -1 after a signal, and all that it says. It must not panic.
pub fn answer(command: &mut Command) -> (i32, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    let text = String::from_utf8_lossy(&stdout).into_owned() + &String::from_utf8_lossy(&stderr);
    assert!(!text.contains("panicked"), "{text}");
    (status.code().unwrap_or(-1), text)
}

/// A test that is ignored where it cannot be performed.
pub fn trial(name: &str, test: fn(), ignored: bool) -> Trial {
    let run = move || {
        test();
        Ok(())
    };
    Trial::test(name, run).with_ignored_flag(ignored)
}
