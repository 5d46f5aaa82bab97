//! What is performed while something happens, and when it happens: random, but the same for the same seed.

use std::fs;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use verify::need::Need;
use verify::spec::Catalog;

use super::arena::{Arena, Running};

/// How many experiments of the project are performed at a time, beside the arena's own.
const TOGETHER: usize = 3;

/// How many times something happens.
pub fn rounds() -> u64 {
    number("VERIFY_KILLS", 12)
}

fn number(variable: &str, default: u64) -> u64 {
    let text = std::env::var(variable).ok();
    text.map_or(default, |text| text.parse().unwrap())
}

/// Choices and moments.
pub struct Dice {
    state: u64,
    /// How much longer than measured runs take just now, in thousandths: most moments are to be before their end.
    pace: u32,
}

impl Dice {
    pub fn new() -> Self {
        Self {
            state: number("VERIFY_SEED", 0x9e37_79b9),
            pace: 1000,
        }
    }

    /// A number below `limit`, by xorshift64.
    pub fn below(&mut self, limit: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % limit as u64).unwrap()
    }

    /// A part of `whole`.
    pub fn part(&mut self, whole: Duration) -> Duration {
        whole * u32::try_from(self.below(1000)).unwrap() / 1000
    }

    /// Lets a part of the time pass that a run takes. Whether it is still going on.
    pub fn wait(&mut self, run: &Running, whole: Duration) -> bool {
        std::thread::sleep(self.part(whole * self.pace / 1000));
        let alive = run.is_alive();
        self.pace = match alive {
            true => self.pace + self.pace / 20,
            false => self.pace - self.pace / 5,
        };
        self.pace = self.pace.clamp(50, 5000);
        alive
    }
}

/// The experiments that pass here, and how long they take.
pub struct Experiments {
    passing: Vec<(String, Duration)>,
    /// Those of them that measure: on a busy host they may come to no answer.
    measuring: Vec<String>,
    /// How long a run takes beside its experiments.
    overhead: Duration,
}

/// Some experiments.
pub struct Choice {
    /// The files of their specs.
    pub places: Vec<String>,
    /// How long a run of them takes when it is left alone.
    pub whole: Duration,
}

impl Choice {
    /// The words of a run of them: half of the runs perform them on a file system of the host.
    pub fn words(&self, arena: &Arena, dice: &mut Dice) -> Vec<String> {
        let scratch = match dice.below(2) {
            0 => Vec::new(),
            _ => arena.scratch().to_vec(),
        };
        [self.places.clone(), scratch].concat()
    }
}

impl Experiments {
    /// Looks once in the life of this process.
    pub fn of(arena: &Arena) -> &'static Self {
        static FOUND: OnceLock<Experiments> = OnceLock::new();
        FOUND.get_or_init(|| Self::look(arena, &[]))
    }

    /// Those that pass with these options.
    pub fn look(arena: &Arena, options: &[String]) -> Self {
        let report = arena.path("report.json");
        let words = ["specs", "-r", "json=report.json", "-r", "host=/dev/null"];
        let words = words.map(str::to_owned);
        let started = Instant::now();
        arena.start(&[&words[..], options].concat()).end();
        let elapsed = started.elapsed();
        let results: serde_json::Value =
            serde_json::from_slice(&fs::read(&report).unwrap()).unwrap();
        fs::remove_file(report).unwrap();
        assert_eq!(arena.left(), Vec::<String>::new());
        let duration = |value: &serde_json::Value| Duration::from_micros(value.as_u64().unwrap());
        let all = results["experiments"].as_array().unwrap();
        let name = |one: &serde_json::Value| one["id"].as_str().unwrap().to_owned();
        let passing = all.iter().filter(|one| one["outcome"] == "pass");
        let passing = passing.map(|one| (name(one), duration(&one["duration_us"])));
        let measuring = all
            .iter()
            .filter(|one| one["measurements"] != serde_json::json!([]));
        Self {
            measuring: measuring.map(name).collect(),
            passing: passing.filter(|(name, _)| stays_inside(name)).collect(),
            overhead: elapsed.saturating_sub(duration(&results["duration_us"])),
        }
    }

    /// Those of them whose answer does not depend on how busy the host is.
    pub fn without_measurements(&self) -> Self {
        let passing = self.passing.iter();
        let passing = passing.filter(|(name, _)| !self.measuring.contains(name));
        Self {
            passing: passing.cloned().collect(),
            measuring: Vec::new(),
            overhead: self.overhead,
        }
    }

    /// Those of them that have one of these names.
    pub fn only(mut self, names: &[&str]) -> Self {
        self.passing.retain(|(name, _)| names.contains(&&**name));
        self
    }

    /// A few of them, and always the arena's own that is hardest to clean up after.
    pub fn choose(&self, dice: &mut Dice) -> Choice {
        let mut places = vec!["group".to_owned()];
        let mut longest = Duration::from_millis(50);
        for _ in 0..TOGETHER {
            let (name, duration) = &self.passing[dice.below(self.passing.len())];
            let place = format!("specs/{name}.yaml");
            if !places.contains(&place) {
                places.push(place);
            }
            longest = longest.max(*duration);
        }
        Choice {
            places,
            whole: self.overhead + longest,
        }
    }
}

/// A group with a controller of cgroup v2 is made where that is passed on: above the arena.
fn stays_inside(name: &str) -> bool {
    let catalog = Catalog::built_in().unwrap();
    let spec = catalog
        .entries
        .iter()
        .find(|entry| entry.spec.experiment == name);
    let needs = &spec.unwrap().spec.needs;
    !needs
        .iter()
        .any(|need| matches!(need, Need::CgroupV2Controller(_)))
}
