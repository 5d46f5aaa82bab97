//! Specs are input: what a hostile one tries, and what comes of it.
//!
//! What needs a worker is an ignored test where none can be started.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::{Command, ExitCode};

use common::{answer, trial};
use libtest_mimic::Arguments;
use tempfile::TempDir;

const HEAD: &str = "experiment: x\ntitle: t\nsteps:\n";

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let (_, text) = perform("  - pwd:\n");
    let unfit = !text.contains("no reviewed snapshot");
    if unfit {
        eprintln!("skipped: no worker can be started here: {text}");
    }
    let any: [(&str, fn()); 4] = [
        ("lint_refuses_what_leads_out", lint_refuses_what_leads_out),
        (
            "lint_refuses_names_that_leave_their_place",
            lint_refuses_names_that_leave_their_place,
        ),
        (
            "lint_is_quick_about_what_is_huge",
            lint_is_quick_about_what_is_huge,
        ),
        (
            "lint_shows_no_escape_of_a_spec",
            lint_shows_no_escape_of_a_spec,
        ),
    ];
    let with_worker: [(&str, fn()); 11] = [
        (
            "a_program_gets_nothing_of_who_started_verify",
            a_program_gets_nothing_of_who_started_verify,
        ),
        (
            "a_program_inherits_no_descriptor",
            a_program_inherits_no_descriptor,
        ),
        (
            "a_program_writes_nothing_of_the_host",
            a_program_writes_nothing_of_the_host,
        ),
        (
            "a_program_writes_no_setting_of_the_kernel",
            a_program_writes_no_setting_of_the_kernel,
        ),
        (
            "a_program_sees_no_mount_that_could_be_written_or_give_privilege",
            a_program_sees_no_mount_that_could_be_written_or_give_privilege,
        ),
        ("a_program_has_no_privilege", a_program_has_no_privilege),
        (
            "a_shell_in_a_new_root_has_no_privilege",
            a_shell_in_a_new_root_has_no_privilege,
        ),
        (
            "a_program_enters_no_namespace_of_the_host",
            a_program_enters_no_namespace_of_the_host,
        ),
        (
            "a_program_may_use_the_scratch_directory",
            a_program_may_use_the_scratch_directory,
        ),
        (
            "links_that_a_step_makes_are_not_followed_out",
            links_that_a_step_makes_are_not_followed_out,
        ),
        (
            "no_escape_of_a_program_reaches_the_terminal",
            no_escape_of_a_program_reaches_the_terminal,
        ),
    ];
    let any = any.into_iter().map(|(name, test)| trial(name, test, false));
    let with_worker = with_worker.into_iter();
    let with_worker = with_worker.map(|(name, test)| trial(name, test, unfit));
    libtest_mimic::run(&arguments, any.chain(with_worker).collect()).exit_code()
}

fn verify(arguments: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    answer(command.args(arguments).env("CI", "1"))
}

fn folder(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.yaml");
    fs::write(&path, text).unwrap();
    (folder, path.to_str().unwrap().to_owned())
}

fn perform(steps: &str) -> (i32, String) {
    let (_keep, path) = folder(&format!("{HEAD}{steps}"));
    verify(&["run", &path])
}

/// Performs steps, all of which must do what they declare.
fn as_declared(steps: &str) -> String {
    let (code, text) = perform(steps);
    assert!(code == 3 && text.contains("no reviewed snapshot"), "{text}");
    text
}

fn lint(text: &str) -> (i32, String) {
    let (_keep, path) = folder(text);
    verify(&["lint", &path])
}

fn refused(steps: &str) {
    let (code, text) = lint(&format!("{HEAD}{steps}  - pwd:\n"));
    assert_eq!(code, 2, "{steps}: {text}");
}

fn lint_refuses_what_leads_out() {
    for path in [
        "../x",
        "a/../../x",
        "/etc/passwd",
        "/",
        "/sys/fs/cgroup/../../x",
        "/sys/kernel/x",
        "/dev/null",
        "a\u{0}b",
    ] {
        for step in ["cat", "mkdir", "cd", "ls", "tree"] {
            refused(&format!("  - {step}: {path}\n"));
        }
        refused(&format!("  - echo: a > {path}\n"));
        refused(&format!("  - mount: -t tmpfs tmpfs {path}\n"));
        refused(&format!(
            "  - mount: -t overlay overlay -o lowerdir=a:{path},upperdir=b,workdir=c d\n"
        ));
        refused(&format!(
            "  - chroot: {path} /bin/sh\n    inside:\n      - pwd:\n"
        ));
    }
    for path in [
        "/proc/sys/kernel/core_pattern",
        "/proc/sysrq-trigger",
        "/proc/self/mem",
    ] {
        refused(&format!("  - echo: a > {path}\n"));
    }
}

fn lint_refuses_names_that_leave_their_place() {
    for name in ["../../etc/cron.d/x", "a/b", "..", ".", "a\\nb", "\\e[2J"] {
        refused(&format!("  - ip: \"netns add {name}\"\n"));
        refused(&format!(
            "  - ip: \"link add {name} type veth peer name b\"\n"
        ));
    }
    for name in ["../x", "a/b", "'a b'"] {
        let (code, text) = lint(
            &HEAD
                .replace("experiment: x", &format!("experiment: {name}"))
                .replace("steps:", "steps:\n  - pwd:"),
        );
        assert_eq!(code, 2, "{name}: {text}");
    }
}

fn lint_is_quick_about_what_is_huge() {
    let begun = std::time::Instant::now();
    let deep = "  - unshare: -u /bin/bash\n    inside:\n".to_owned();
    let aliases = format!("a: &a [x]\nb: [{}]\n", ["*a"; 1000].join(","));
    for text in [
        format!("{HEAD}{}", "  - pwd:\n".repeat(100_000)),
        format!("{HEAD}  - echo: {} > a\n", "a".repeat(2 << 20)),
        format!("{HEAD}  - ls: {}\n", "a ".repeat(1 << 19)),
        format!("{HEAD}  - mkdir: {}\n", "a/".repeat(5000)),
        format!("{HEAD}{deep}{}", "[".repeat(100_000)),
        format!("{HEAD}  - pwd:\n    timeout: {}s\n", "9".repeat(400)),
        aliases,
    ] {
        let (code, message) = lint(&text);
        assert_eq!(code, 2, "{message}");
        assert!(
            message.len() < 1 << 16,
            "an error of {} bytes",
            message.len()
        );
    }
    assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
}

fn lint_shows_no_escape_of_a_spec() {
    for text in [
        "  - \"\\e[2J\": x\n",
        "  - pwd: \"\\e]0;owned\\a\"\n",
        "  - cat: \"\\u202e\"\n",
    ] {
        let (code, message) = lint(&format!("{HEAD}{text}"));
        assert!(code == 2 || text.contains("u202e"), "{message}");
        assert!(
            !message.contains(['\u{1b}', '\u{7}', '\u{202e}']),
            "{message:?}"
        );
    }
}

/// A line of a shell script, run by `run`. There is no redirection in a step but that of echo.
fn script(line: &str) -> String {
    format!("  - echo: \"'{line}' > script\"\n  - run: sh script\n")
}

fn a_program_writes_nothing_of_the_host() {
    let host = tempfile::tempdir_in("/var/tmp").unwrap();
    let target = host.path().join("made").display().to_string();
    for line in [
        format!("touch {target}"),
        format!("mount -o remount,rw / && touch {target}"),
        format!("mkdir {target}"),
        "mknod disk b 254 0".to_owned(),
        "touch /sys/fs/cgroup/made /etc/made".to_owned(),
        "mkdir /sys/fs/cgroup/pids/made".to_owned(),
    ] {
        let steps = script(&line) + "    fails: 1\n";
        as_declared(&(steps.replace("run: sh script", "run: sh -c \"sh script || exit 1\"")));
        assert!(!host.path().join("made").exists(), "{line}");
    }
}

/// But for the scratch directory, which is not read-only, and the devices that it gets. proc_pid_mountinfo(5)
fn a_program_sees_no_mount_that_could_be_written_or_give_privilege() {
    as_declared(
        "  - run: grep -vE ' ro,nosuid,nodev[, ]| - tmpfs verify | /dev/' /proc/self/mountinfo\n    fails: 1\n",
    );
}

fn a_program_writes_no_setting_of_the_kernel() {
    let read = || fs::read("/proc/sys/vm/swappiness").unwrap();
    let before = read();
    // One over the other: that the lower one may be written to says nothing about the upper one.
    for (path, lower) in [
        ("/proc/sys/vm/swappiness", ""),
        ("proc/sys/vm/swappiness", ""),
        ("proc/sys/vm/swappiness", "  - mount: -t tmpfs tmpfs proc\n"),
    ] {
        let steps = format!(
            "  - mkdir: proc\n{lower}  - mount: -t proc proc proc\n  - run: sh -c \"cp {path} value && tee {path}\"\n    fails: 1\n"
        );
        as_declared(&steps);
        assert_eq!(read(), before);
    }
}

/// With one it could leave the mounts that it got.
fn a_program_inherits_no_descriptor() {
    let look = "  - run: sh -c \"for fd in /proc/self/fd/*; do case $fd in */[012]) ;; *) test ! -e $fd || exit 9; esac; done\"\n";
    let before = "  - mkdir: -p a/b\n  - echo: x > a/c\n  - cat: a/c\n  - ls: a\n  - cat: /proc/self/uid_map\n  - cd: a\n";
    as_declared(&format!("{look}{before}{look}"));
}

/// Neither its environment nor its blocked and ignored signals nor its umask; verify itself blocks some.
fn a_program_gets_nothing_of_who_started_verify() {
    // 32 and 33 are glibc's own, and ignored in what its posix_spawn(3) has started.
    for of_signals in ["SigBlk:.0000000000000000", "SigIgn:.0000000[01][08]0000000"] {
        as_declared(&format!(
            "  - run: grep -E '^{of_signals}$' /proc/self/status\n"
        ));
    }
    as_declared(&script("test $(umask) = 0022"));
    as_declared(
        "  - run: sh -c \"env | grep -vE '^(PATH|LC_ALL|PWD|OLDPWD|SHLVL|_)='\"\n    fails: 1\n",
    );
}

fn a_program_has_no_privilege() {
    let steps = "  - run: grep -E '^(CapPrm|CapEff|CapInh|CapAmb):.0000000000000000$' /proc/self/status\n  - run: grep 'NoNewPrivs:.1' /proc/self/status\n";
    as_declared(steps);
}

/// A file that it owns it could give away with CAP_CHOWN alone.
fn a_shell_in_a_new_root_has_no_privilege() {
    as_declared(
        "  - mkdir: -p root/{bin,lib,lib64}\n  - cp: /bin/sh root/bin/sh\n  - cp: /bin/chown root/bin/chown\n  - chroot: root /bin/sh\n    inside:\n      - run: chown 0 bin/sh\n      - run: chown 1 bin/sh\n        fails: 1\n",
    );
}

fn a_program_enters_no_namespace_of_the_host() {
    as_declared("  - run: nsenter --target 1 --mount true\n    fails: 1\n");
    as_declared("  - run: unshare --mount true\n    fails: 1\n");
}

fn a_program_may_use_the_scratch_directory() {
    as_declared("  - run: mkdir a\n  - run: ln -s a b\n  - run: sh -c 'touch b/c'\n  - tree: .\n");
    as_declared(
        "  - mkdir: l u w m\n  - mount: -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m\n  - cd: m\n  - run: touch a\n  - ls: .\n",
    );
    as_declared("  - run: dd if=/dev/zero of=/dev/null count=1\n");
}

fn links_that_a_step_makes_are_not_followed_out() {
    for target in ["/etc", "..", "../..", "/proc/1/root", "/proc/self/cwd/.."] {
        as_declared(&format!(
            "  - mkdir: readonly\n  - run: ln -s {target} away\n  - cat: away/passwd\n    fails: EXDEV\n  - echo: a > away/made\n    fails: EXDEV\n  - mkdir: away/made\n    fails: EXDEV\n  - mount: -t tmpfs tmpfs away\n    fails: EXDEV\n  - mount: -t overlay overlay -o lowerdir=away:. readonly\n    fails: EXDEV\n"
        ));
    }
}

fn no_escape_of_a_program_reaches_the_terminal() {
    let text = as_declared("  - run: printf '\\033[2J\\033]0;owned\\007\\u202e::error::x\\n'\n");
    assert!(!text.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{text:?}");
    assert!(
        !text.lines().any(|line| line.trim_start().starts_with("::")),
        "{text:?}"
    );
}
