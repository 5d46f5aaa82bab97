//! Takes each check out of the engine, one at a time, and says which no test misses. `ci/mutants` runs it.
//!
//! All mutants are compiled at once, each behind a switch. Each test is run by itself to see which it reaches; then for
//! each mutant those that reach it, the fastest first, until one fails.

mod compile;
mod lane;
mod plant;
#[allow(dead_code)]
mod switch;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use serde::{Deserialize, Serialize};

use compile::Compiled;
use lane::{Answer, Batch, Order};
use plant::Mutant;

/// Tests that take a second or more each: for what no other test has noticed.
const SLOW: [&str; 2] = ["sabotage", "killed"];

/// So many of them are asked about a mutant: those that do most in its file that few others do.
const ASKED: usize = 5;

/// Sandboxes at a time. Most tests wait for the kernel.
const LANES: usize = 5;

/// A test that passes, and what it takes.
#[derive(Serialize, Deserialize)]
struct Test {
    binary: String,
    path: PathBuf,
    name: String,
    ms: u64,
    reached: BTreeSet<u32>,
}

impl Test {
    /// When it is asked: those that can be run many at a time, all others, what takes seconds.
    fn stage(&self) -> u8 {
        match SLOW.contains(&self.binary.as_str()) || self.ms > 2000 {
            true => 2,
            false => u8::from(!self.takes_many()),
        }
    }

    /// Whether its binary runs several tests that are named. libtest-mimic's take one name.
    fn takes_many(&self) -> bool {
        ["lib", "cli", "replay", "reports"].contains(&self.binary.as_str())
    }
}

/// What became of a mutant.
#[derive(Serialize, Deserialize)]
struct Tried {
    number: u32,
    /// The last stage whose tests were run.
    stage: u8,
    reached_by: usize,
    /// Who noticed, and how.
    noticed: Option<String>,
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[1..] {
        ["compile", work] => Work::at(work).compile(),
        ["map", work, sandbox] => Work::at(work).map(sandbox),
        ["try", work, sandbox, ref parts @ ..] => Work::at(work).attempt(sandbox, parts),
        ["lane", last, tree, temporary] => {
            lane::serve(last.parse().unwrap(), tree.into(), Path::new(temporary))
        }
        _ => panic!("see ci/mutants"),
    }
}

/// The folder with the copy of the sources and all that is known about it.
struct Work {
    path: PathBuf,
    mutants: BTreeMap<u32, Mutant>,
}

impl Work {
    fn at(path: &str) -> Self {
        let path = PathBuf::from(path);
        let listed: Vec<Mutant> =
            serde_json::from_str(&fs::read_to_string(path.join("list.json")).unwrap()).unwrap();
        Self {
            path,
            mutants: (1..).zip(listed).collect(),
        }
    }

    fn read<T: for<'de> Deserialize<'de>>(&self, name: &str) -> T {
        serde_json::from_str(&fs::read_to_string(self.path.join(name)).unwrap()).unwrap()
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) {
        fs::write(self.path.join(name), serde_json::to_string(value).unwrap()).unwrap();
    }

    fn compile(&self) {
        let compiled = compile::compile(&self.path.join("tree"), &self.mutants);
        println!(
            "{} mutants: {} compile, {} have no switch",
            self.mutants.len(),
            compiled.viable.len(),
            compiled.fixed.len()
        );
        self.write("compiled.json", &compiled);
    }

    fn lane(&self, sandbox: &str, number: usize) -> Lane {
        let folder = self.path.join(format!("lane-{number}"));
        fs::create_dir_all(&folder).unwrap();
        let last = self
            .mutants
            .keys()
            .last()
            .copied()
            .unwrap_or_default()
            .to_string();
        let tool = std::env::current_exe().unwrap();
        let arguments = [
            folder,
            tool,
            "lane".into(),
            last.into(),
            self.path.join("tree"),
            self.path.join("build/tmp"),
        ];
        let sandbox = sandbox.to_owned();
        Lane::new(Box::new(move || {
            let mut command = Command::new(&sandbox);
            command
                .args(&arguments)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap()
        }))
    }

    /// Does `work` with all of a queue, in several sandboxes at a time.
    fn lanes<T: Sync>(&self, sandbox: &str, queue: &[T], work: impl Fn(&mut Lane, &T) + Sync) {
        let next = AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for number in 0..LANES {
                let (next, work) = (&next, &work);
                scope.spawn(move || {
                    let mut lane = self.lane(sandbox, number);
                    while let Some(one) = queue.get(next.fetch_add(1, Relaxed)) {
                        work(&mut lane, one);
                    }
                });
            }
        });
    }

    /// Runs each test by itself, to see what it takes and which mutants it reaches.
    fn map(&self, sandbox: &str) {
        let compiled: Compiled = self.read("compiled.json");
        let mut all = Vec::new();
        for binary in &compiled.binaries {
            let mut list = Command::new(&binary.path);
            let output = list
                .arg("--list")
                .current_dir(self.path.join("tree"))
                .output()
                .unwrap();
            for line in String::from_utf8(output.stdout).unwrap().lines() {
                let name = line.strip_suffix(": test");
                all.extend(name.map(|name| (binary, lane::without_kind(name).to_owned())));
            }
        }
        let tests = Mutex::new(Vec::new());
        self.lanes(sandbox, &all, |lane, (binary, name)| {
            let batch = Batch {
                path: binary.path.clone(),
                tests: vec![name.clone()],
                limit_ms: 60_000,
            };
            let order = Order {
                number: 0,
                batches: vec![batch],
            };
            match lane
                .ask(&order)
                .filter(passed)
                .or_else(|| lane.anew().ask(&order).filter(passed))
            {
                Some(Answer::Reached { ran: false, .. }) => {
                    println!("ignored: {} {name}", binary.name)
                }
                Some(Answer::Reached { ms, mutants, .. }) => tests.lock().unwrap().push(Test {
                    binary: binary.name.clone(),
                    path: binary.path.clone(),
                    name: name.clone(),
                    ms,
                    reached: mutants,
                }),
                _ => {
                    println!(
                        "left out, as it fails without any mutant: {} {name}",
                        binary.name
                    );
                    lane.anew();
                }
            }
        });
        self.write("tests.json", &tests.into_inner().unwrap());
    }

    /// Tries the mutants of `parts` of the sources, or all, those with the fewest and fastest tests first.
    fn attempt(&self, sandbox: &str, parts: &[&str]) {
        let compiled: Compiled = self.read("compiled.json");
        let tests: Vec<Test> = self.read("tests.json");
        let mut wanted: Vec<u32> = compiled.viable.iter().copied().collect();
        let is_in = |number: &u32, part: &&str| self.mutants[number].file.starts_with(part);
        wanted.retain(|number| parts.is_empty() || parts.iter().any(|part| is_in(number, part)));
        let before = fs::read_to_string(self.path.join("tried.jsonl")).unwrap_or_default();
        let before = before
            .lines()
            .map(|line| serde_json::from_str::<Tried>(line).unwrap());
        let tried: Mutex<BTreeMap<u32, Tried>> =
            Mutex::new(before.map(|tried| (tried.number, tried)).collect());
        // By how many tests.
        let mut reached = BTreeMap::<u32, usize>::new();
        for number in tests.iter().flat_map(|test| &test.reached) {
            *reached.entry(*number).or_default() += 1;
        }
        for stage in 0..=2 {
            let is_open = |done: &Tried| done.noticed.is_none() && done.stage < stage;
            let open = |number: &&u32| tried.lock().unwrap().get(number).is_none_or(is_open);
            let orders = wanted.iter().filter(open);
            let mut orders: Vec<Order> = orders
                .map(|number| self.order(*number, &tests, &reached, stage))
                .collect();
            orders.sort_by_key(Order::limit_ms);
            self.lanes(sandbox, &orders, |lane, order| {
                let Some(noticed) = lane.attempt(order) else {
                    return;
                };
                let number = order.number;
                let reached_by = reached.get(&number).copied().unwrap_or_default();
                let mut tried = tried.lock().unwrap();
                tried.insert(
                    number,
                    Tried {
                        number,
                        stage,
                        reached_by,
                        noticed,
                    },
                );
                self.report(&wanted, &tried);
            });
        }
        print!(
            "{}",
            fs::read_to_string(self.path.join("table.txt")).unwrap()
        );
        let missed = fs::read_to_string(self.path.join("missed.txt")).unwrap();
        print!("{missed}");
        std::process::exit(i32::from(!missed.is_empty()));
    }

    /// The tests that reach a mutant: those beside it, others of the library, the rest; the fastest first.
    fn order(
        &self,
        number: u32,
        tests: &[Test],
        reached: &BTreeMap<u32, usize>,
        stage: u8,
    ) -> Order {
        let file = self.mutants[&number]
            .file
            .trim_start_matches("src/")
            .trim_end_matches(".rs")
            .trim_end_matches("/mod");
        let beside = format!("{}::", file.replace('/', "::"));
        let mut tests: Vec<&Test> = tests
            .iter()
            .filter(|test| test.reached.contains(&number))
            .collect();
        tests.retain(|test| test.stage() == stage);
        if stage == 2 {
            let file = &self.mutants[&number].file;
            let beside = |other: &&u32| &self.mutants[*other].file == file;
            let rare = |other: &u32| 1_000_000 / reached[other];
            tests.sort_by_cached_key(|test| {
                Reverse(test.reached.iter().filter(beside).map(rare).sum::<usize>())
            });
            tests.truncate(ASKED);
        }
        let far = |test: &Test| (test.binary != "lib", !test.name.starts_with(&beside));
        tests.sort_by_key(|test| (far(test), test.ms, &test.path));
        let mut batches: Vec<(u64, Batch)> = Vec::new();
        let mut open: BTreeMap<(&Path, bool), usize> = BTreeMap::new();
        for test in tests {
            let group = (test.path.as_path(), far(test).1);
            let here = open.get(&group).copied();
            let here = here.filter(|at| test.takes_many() && batches[*at].0 + test.ms < 1000);
            let at = here.unwrap_or(batches.len());
            if here.is_none() {
                batches.push((
                    0,
                    Batch {
                        path: test.path.clone(),
                        tests: Vec::new(),
                        limit_ms: 0,
                    },
                ));
                open.insert(group, at);
            }
            batches[at].0 += test.ms;
            batches[at].1.tests.push(test.name.clone());
        }
        let batches = batches.into_iter().map(|(ms, batch)| Batch {
            limit_ms: 10_000 + 5 * ms,
            ..batch
        });
        Order {
            number,
            batches: batches.collect(),
        }
    }

    /// Writes what is known by now: all of it, sums of the folders, and what no test has noticed.
    fn report(&self, wanted: &[u32], tried: &BTreeMap<u32, Tried>) {
        let mut folders = BTreeMap::<&str, [usize; 3]>::new();
        let mut missed = String::new();
        for number in wanted {
            let mutant = &self.mutants[number];
            let below = mutant.file.trim_start_matches("src/");
            let counts = folders
                .entry(below.split(['/', '.']).next().unwrap_or(below))
                .or_default();
            counts[0] += 1;
            if let Some(done) = tried.get(number) {
                counts[1] += 1;
                match done.noticed {
                    Some(_) => counts[2] += 1,
                    None => {
                        missed +=
                            &format!("{} [reached by {} tests]\n", mutant.name, done.reached_by)
                    }
                }
            }
        }
        let mut table = String::from("part mutants tried noticed\n");
        for (folder, [all, tried, noticed]) in folders {
            table += &format!("{folder} {all} {tried} {noticed}\n");
        }
        let lines = tried
            .values()
            .map(|done| serde_json::to_string(done).unwrap() + "\n");
        for (name, text) in [
            ("table.txt", table),
            ("missed.txt", missed),
            ("tried.jsonl", lines.collect()),
        ] {
            fs::write(self.path.join(name), text).unwrap();
        }
    }
}

fn passed(answer: &Answer) -> bool {
    matches!(answer, Answer::Reached { passed: true, .. })
}

/// A sandbox that runs tests.
struct Lane {
    start: Box<dyn Fn() -> Child>,
    child: Child,
}

impl Lane {
    fn new(start: Box<dyn Fn() -> Child>) -> Self {
        Self {
            child: start(),
            start,
        }
    }

    /// Another sandbox, in which nothing has happened.
    fn anew(&mut self) -> &mut Self {
        self.end();
        self.child = (self.start)();
        self
    }

    fn end(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }

    /// `None` when the sandbox has ended.
    fn ask(&mut self, order: &Order) -> Option<Answer> {
        let mut line = serde_json::to_string(order).unwrap();
        line.push('\n');
        self.child.stdin.as_mut()?.write_all(line.as_bytes()).ok()?;
        // It answers with one line and waits: nothing is read ahead.
        let mut answer = String::new();
        BufReader::new(self.child.stdout.as_mut()?)
            .read_line(&mut answer)
            .ok()?;
        serde_json::from_str(&answer).ok()
    }

    /// Who noticed, if anybody did; `None` when that cannot be known.
    fn attempt(&mut self, order: &Order) -> Option<Option<String>> {
        for _ in 0..3 {
            match self.ask(order) {
                Some(Answer::Missed) => return Some(None),
                Some(Answer::Noticed { test, how }) => {
                    // What ends early may have left something.
                    if how != "fails" {
                        self.anew();
                    }
                    return Some(Some(format!("{test} {how}")));
                }
                Some(Answer::Spoiled { test }) => {
                    eprintln!("{}: {test} fails without it", order.number)
                }
                _ => eprintln!("{}: the sandbox has ended", order.number),
            }
            self.anew();
        }
        eprintln!("{}: not known", order.number);
        None
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.end();
    }
}
