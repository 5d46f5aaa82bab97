//! Runs tests as the first process of a sandbox: whatever they leave is killed, and nothing else can be.

use std::collections::{BTreeSet, VecDeque};
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::switch;

/// Where the groups are that cgroup v1 freezes, in a hierarchy of it.
const FREEZER: &str = "/sys/fs/cgroup/freezer";

/// Tests of one binary that are run together, and how long that may take.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    pub path: PathBuf,
    pub tests: Vec<String>,
    pub limit_ms: u64,
}

/// A line to a lane: what to run with this mutant, until a test fails. 0 is none: then it says what is reached.
#[derive(Debug, Serialize, Deserialize)]
pub struct Order {
    pub number: u32,
    pub batches: Vec<Batch>,
}

impl Order {
    pub fn limit_ms(&self) -> u64 {
        self.batches.iter().map(|batch| batch.limit_ms).sum()
    }
}

/// A line from a lane.
#[derive(Debug, Serialize, Deserialize)]
pub enum Answer {
    /// No test noticed.
    Missed,
    /// This one did: it passes without the mutant and failed twice with it.
    Noticed { test: String, how: String },
    /// Something fails that passed before: this sandbox is used up.
    Spoiled { test: String },
    /// Without a mutant, of one test.
    Reached {
        ran: bool,
        passed: bool,
        ms: u64,
        mutants: BTreeSet<u32>,
    },
}

/// Obeys until there are no more orders. The sources are in `tree`, and tests write to `temporary`.
pub fn serve(last: usize, tree: PathBuf, temporary: &Path) {
    mount(
        Some("none"),
        temporary,
        Some("tmpfs"),
        MsFlags::empty(),
        None::<&str>,
    )
    .unwrap();
    let lane = Lane { last, tree };
    for line in std::io::stdin().lines() {
        let order: Order = serde_json::from_str(&line.unwrap()).unwrap();
        let answer = match order.number {
            0 => lane.reached(&order.batches[0]),
            _ => lane.attempt(order),
        };
        println!("{}", serde_json::to_string(&answer).unwrap());
    }
}

struct Lane {
    /// The highest number of a mutant.
    last: usize,
    tree: PathBuf,
}

impl Lane {
    fn reached(&self, batch: &Batch) -> Answer {
        self.switch_on(0);
        let started = Instant::now();
        let end = self.run(batch);
        let ms = started.elapsed().as_millis() as u64;
        let mut bytes = Vec::new();
        let mut file = OpenOptions::new().read(true).open(switch::FILE).unwrap();
        file.seek(SeekFrom::Start(switch::HEAD as u64)).unwrap();
        file.read_to_end(&mut bytes).unwrap();
        let mutants = (0..)
            .zip(bytes)
            .filter(|(_, byte)| *byte == 1)
            .map(|(number, _)| number);
        Answer::Reached {
            ran: end.ran > 0,
            passed: end.failed.is_none(),
            ms,
            mutants: mutants.collect(),
        }
    }

    fn attempt(&self, order: Order) -> Answer {
        let mut batches = VecDeque::from(order.batches);
        while let Some(batch) = batches.pop_front() {
            self.switch_on(order.number);
            let Some((test, _)) = self.run(&batch).failed else {
                continue;
            };
            let tests = test.map_or(batch.tests.clone(), |test| vec![test]);
            let one = Batch {
                tests,
                ..batch.clone()
            };
            let test = one.tests.join(" ");
            self.switch_on(0);
            if self.run(&one).failed.is_some() {
                return Answer::Spoiled { test };
            }
            self.switch_on(order.number);
            if let Some((_, how)) = self.run(&one).failed {
                let binary = batch.path.file_name().unwrap_or_default().to_string_lossy();
                let binary = binary
                    .rsplit_once('-')
                    .map_or(&*binary, |(binary, _)| binary);
                return Answer::Noticed {
                    test: format!("{binary} {test}"),
                    how,
                };
            }
            eprintln!("{}: {test} failed once only", order.number);
            let mut rest = batch;
            rest.tests.retain(|test| !one.tests.contains(test));
            if !rest.tests.is_empty() {
                batches.push_front(rest);
            }
        }
        Answer::Missed
    }

    fn switch_on(&self, number: u32) {
        let mut bytes = vec![0; switch::HEAD + self.last + 1];
        bytes[..switch::HEAD].copy_from_slice(&number.to_ne_bytes());
        // Anew: a process that is still there keeps its own.
        let _ = std::fs::remove_file(switch::FILE);
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(switch::FILE)
            .unwrap();
        file.write_all(&bytes).unwrap();
        let everybody = std::os::unix::fs::PermissionsExt::from_mode(0o666);
        file.set_permissions(everybody).unwrap();
    }
}

struct End {
    ran: usize,
    /// The test that failed, where that is known, and how.
    failed: Option<(Option<String>, String)>,
}

enum Event {
    Line(String),
    Ended(bool),
}

impl Lane {
    fn run(&self, batch: &Batch) -> End {
        let mut child = Command::new(&batch.path)
            .arg("--exact")
            .args(&batch.tests)
            .arg("--test-threads=1")
            .current_dir(&self.tree)
            .env("INSTA_UPDATE", "no")
            .env("INSTA_WORKSPACE_ROOT", &self.tree)
            .env("CARGO_MANIFEST_DIR", &self.tree)
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let (send, events) = channel();
        let ended = send.clone();
        let reader = std::thread::spawn(move || {
            let mut line = Vec::new();
            while output
                .read_until(b'\n', &mut line)
                .is_ok_and(|read| read > 0)
            {
                let _ = send.send(Event::Line(String::from_utf8_lossy(&line).into_owned()));
                line.clear();
            }
        });
        let waiter = std::thread::spawn(move || {
            let status = child.wait();
            let _ = ended.send(Event::Ended(status.is_ok_and(|status| status.success())));
        });
        let mut log = Log::default();
        let deadline = Instant::now() + Duration::from_millis(batch.limit_ms);
        let how = log.follow(&events, deadline);
        // All of the sandbox but this process. Who is frozen by cgroup v1 is not killed before it is let go.
        let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        thaw(Path::new(FREEZER));
        let _ = waiter.join();
        let _ = reader.join();
        while waitpid(Pid::from_raw(-1), None) != Err(Errno::ECHILD) {}
        for event in events.try_iter() {
            if let Event::Line(line) = event {
                log.read(&line);
            }
        }
        let failed = match log.failed {
            Some(test) => Some((Some(test), "fails".to_owned())),
            None => how.map(|how| (log.begun, how.to_owned())),
        };
        End {
            ran: log.ran,
            failed,
        }
    }
}

fn thaw(group: &Path) {
    let _ = std::fs::write(group.join("freezer.state"), "THAWED");
    for below in std::fs::read_dir(group).into_iter().flatten().flatten() {
        if below.file_type().is_ok_and(|kind| kind.is_dir()) {
            thaw(&below.path());
        }
    }
}

/// The name of a test without the kind that libtest-mimic puts before it, `[kind] name`.
pub fn without_kind(name: &str) -> &str {
    let after = name
        .strip_prefix('[')
        .and_then(|name| name.split_once("] "));
    after.map_or(name, |(_, name)| name)
}

#[derive(Default)]
struct Log {
    ran: usize,
    begun: Option<String>,
    failed: Option<String>,
}

impl Log {
    /// Reads until the first failure, the end, or the deadline.
    fn follow(&mut self, events: &Receiver<Event>, deadline: Instant) -> Option<&'static str> {
        loop {
            match events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(Event::Line(line)) => self.read(&line),
                Ok(Event::Ended(true)) => return None,
                Ok(Event::Ended(false)) => return Some("ends"),
                Err(RecvTimeoutError::Timeout) => return Some("hangs"),
                Err(RecvTimeoutError::Disconnected) => return Some("ends"),
            }
            if self.failed.is_some() {
                return Some("fails");
            }
        }
    }

    fn read(&mut self, line: &str) {
        let Some((name, result)) = line
            .strip_prefix("test ")
            .and_then(|line| line.rsplit_once(" ... "))
        else {
            return;
        };
        let name = name.trim_end_matches(" - should panic").trim();
        let name = without_kind(name);
        match result.trim() {
            "ok" => {
                self.ran += 1;
                self.begun = None;
            }
            "ignored" => {}
            "FAILED" => {
                self.ran += 1;
                self.failed = Some(name.to_owned());
            }
            other if other.starts_with("ignored") => {}
            _ => self.begun = Some(name.to_owned()),
        }
    }
}
