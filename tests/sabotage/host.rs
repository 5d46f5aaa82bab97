//! One run of verify on a host that is broken for it alone, and what it answers.

#![allow(unsafe_code)]

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::{fs, io};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;
use verify::outcome::Outcome;

use super::breaks::Break;
use super::decoy::{self, Supervisor};
use super::layers::STORAGE;

/// After how long a run is ended by SIGALRM: none may hang.
const LIMIT_SECONDS: u32 = 60;

/// What verify says about one experiment.
#[derive(Debug, Clone)]
pub struct Answer {
    pub outcome: Outcome,
    /// The lines below it: the reason, the cause, the difference.
    pub text: String,
}

/// What verify says about all of them.
pub struct Report {
    pub code: Option<i32>,
    pub answers: BTreeMap<String, Answer>,
    pub text: String,
}

impl Report {
    /// Both as one, with the worse exit code.
    fn and(mut self, other: Self) -> Self {
        self.code = self.code.zip(other.code).map(|(one, two)| one.max(two));
        self.answers.extend(other.answers);
        self.text += &other.text;
        self
    }
}

/// The binary where everybody may execute it, as it was built, and where no break covers it.
pub struct Binary(TempDir);

/// The one that was built with this test, or another one: a machine has it at another place.
fn binary() -> OsString {
    std::env::var_os("VERIFY_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_verify").into())
}

impl Binary {
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        // By another process: a descriptor for writing that a forking test has got would make it ETXTBSY.
        let copied = Command::new("cp").arg(binary()).arg(folder.path()).status();
        assert!(copied.unwrap().success());
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("verify")
    }

    /// Runs the specs that are in it, on a host that `broken` breaks.
    pub fn run(&self, broken: &Break) -> Report {
        report(&self.command(broken).output().unwrap())
    }

    /// The same for some experiments, each on a host that is broken for it alone.
    pub fn run_each(&self, broken: &Break, experiments: &[&str]) -> Report {
        let one = |name: &&str| report(&self.command(broken).arg(name).output().unwrap());
        experiments.iter().map(one).reduce(Report::and).unwrap()
    }

    /// The same in a directory that `broken` has made.
    pub fn run_on_storage(&self, broken: &Break) -> Report {
        let mut command = self.command(broken);
        report(&command.args(["--scratch", STORAGE]).output().unwrap())
    }

    /// The same with limits and weights that have no effect.
    pub fn run_with_decoys(&self) -> Report {
        let mut command = self.command(&decoy::watch());
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let supervisor = Supervisor::of(child.id());
        std::thread::scope(|scope| {
            scope.spawn(|| supervisor.serve());
            report(&child.wait_with_output().unwrap())
        })
    }

    fn command(&self, broken: &Break) -> Command {
        let broken = Arc::clone(broken);
        let mut command = Command::new(self.path());
        command
            .arg("run")
            .current_dir("/")
            .env("CI", "1")
            .env_remove("XDG_RUNTIME_DIR");
        let prepare = move || {
            nix::unistd::alarm::set(LIMIT_SECONDS);
            own_place().and_then(|()| broken())
        };
        // SAFETY: the child of fork(2) has one thread, and the C library has made its allocator usable in it.
        unsafe { command.pre_exec(prepare) };
        command
    }
}

/// Mounts of its own, so that a break is seen by nobody else and no other run is seen.
fn own_place() -> io::Result<()> {
    if !nix::unistd::geteuid().is_root() {
        return Ok(());
    }
    let none = None::<&str>;
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)?;
    Ok(mount(
        Some("sabotage"),
        "/run",
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )?)
}

fn report(output: &Output) -> Report {
    let stdout = String::from_utf8_lossy(&output.stdout);
    let text = format!("{stdout}{}", String::from_utf8_lossy(&output.stderr));
    let mut answers = BTreeMap::new();
    let mut current = None;
    for line in stdout.lines() {
        match heading(line) {
            Some((outcome, name)) => {
                let answer = Answer {
                    outcome,
                    text: String::new(),
                };
                current = Some(answers.entry(name).or_insert(answer));
            }
            None if line.starts_with(' ') => {
                if let Some(answer) = &mut current {
                    answer.text += &format!("{line}\n");
                }
            }
            None => current = None,
        }
    }
    Report {
        code: output.status.code(),
        answers,
        text,
    }
}

fn heading(line: &str) -> Option<(Outcome, String)> {
    let mut words = line.split_whitespace();
    let outcome = match words.next()? {
        "pass" => Outcome::Pass,
        "FAIL" => Outcome::Fail,
        "skip" => Outcome::Skip,
        "BROKEN" => Outcome::Broken,
        _ => return None,
    };
    Some((outcome, words.next()?.to_owned()))
}
