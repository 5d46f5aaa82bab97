//! What differs between healthy hosts without any meaning changes no outcome.
//!
//! Each test performs the suite where one such thing is different, and compares with the suite as it is here. Differences
//! that need a machine of their own (little memory, no IPv6, a wrong clock, no autogroup) are cells of ci/kernels.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::LazyLock;

use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

const VERIFY: &str = env!("CARGO_BIN_EXE_verify");
const ROOT: &str = env!("CARGO_MANIFEST_DIR");

/// A difference as a shell makes it, before it becomes verify.
struct Difference {
    name: &'static str,
    /// The namespaces that it is made in, as options of unshare(1), which take root.
    namespaces: &'static [&'static str],
    /// Programs of the host that it takes.
    programs: &'static [&'static str],
    shell: &'static str,
}

const DIFFERENCES: [Difference; 7] = [
    Difference {
        name: "another_host_name",
        namespaces: &["--uts"],
        programs: &["unshare"],
        shell: "echo docker1.example.org > /proc/sys/kernel/hostname",
    },
    Difference {
        name: "another_locale",
        namespaces: &[],
        programs: &[],
        shell: "export LC_ALL=tr_TR.UTF-8 LANG=tr_TR.UTF-8 LANGUAGE=tr",
    },
    Difference {
        name: "another_time_zone",
        namespaces: &[],
        programs: &[],
        shell: "export TZ=Asia/Kathmandu",
    },
    Difference {
        name: "a_strict_umask",
        namespaces: &[],
        programs: &[],
        shell: "umask 077",
    },
    Difference {
        name: "no_program_on_the_path",
        namespaces: &[],
        programs: &[],
        shell: "export PATH=/nowhere",
    },
    Difference {
        name: "no_program_may_be_executed_in_tmp",
        namespaces: &["--mount"],
        programs: &["unshare", "mount"],
        shell: "mount -t tmpfs -o noexec,mode=1777 none /tmp",
    },
    Difference {
        name: "the_names_of_the_specs_are_taken",
        namespaces: &["--net", "--mount"],
        programs: &["unshare", "mount", "ip"],
        shell: "mount -t tmpfs none /run; ip link add host type veth peer name guest; ip netns add guestnet",
    },
];

type Outcomes = BTreeMap<String, String>;

/// The suite as it is here.
static HERE: LazyLock<Outcomes> = LazyLock::new(|| outcomes(Path::new(ROOT), &settled(), &[], ""));

fn main() {
    let arguments = Arguments::from_args();
    let mut trials: Vec<_> = DIFFERENCES.iter().map(trial).collect();
    trials.push(Trial::test("a_folder_with_blanks_and_brackets", || {
        a_folder_with_blanks_and_brackets();
        Ok(())
    }));
    trials.push(Trial::test("busy_cpus", || {
        busy_cpus();
        Ok(())
    }));
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(difference: &'static Difference) -> Trial {
    let lacking = lacking(difference);
    if let Some(lacking) = &lacking {
        eprintln!("skipped: {}: needs {lacking}", difference.name);
    }
    let run = || {
        let Difference {
            namespaces, shell, ..
        } = difference;
        let found = outcomes(Path::new(ROOT), &settled(), namespaces, shell);
        assert_eq!(found, *HERE);
        Ok::<(), Failed>(())
    };
    Trial::test(difference.name, run).with_ignored_flag(lacking.is_some())
}

/// What this machine lacks for it.
fn lacking(difference: &Difference) -> Option<&'static str> {
    if !difference.namespaces.is_empty() && !nix::unistd::geteuid().is_root() {
        return Some("root");
    }
    if difference.shell.contains(" /tmp") && Path::new(VERIFY).starts_with("/tmp") {
        return Some("a binary outside of /tmp");
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<_> = std::env::split_paths(&path).collect();
    let there = |program: &str| folders.iter().any(|folder| folder.join(program).exists());
    let mut programs = difference.programs.iter().copied();
    programs.find(|program| !there(program))
}

/// The specs that measure nothing. What takes seconds to settle would be affected by nothing but busy CPUs.
fn settled() -> Vec<PathBuf> {
    specs(|text| !measures(text))
}

fn measures(text: &str) -> bool {
    text.contains("- top:")
}

fn specs(wanted: fn(&str) -> bool) -> Vec<PathBuf> {
    let files = fs::read_dir(Path::new(ROOT).join("specs")).unwrap();
    let paths = files.map(|file| Path::new("specs").join(file.unwrap().file_name()));
    let wanted = |path: &PathBuf| wanted(&fs::read_to_string(Path::new(ROOT).join(path)).unwrap());
    paths.filter(wanted).collect()
}

/// Performs these specs in this folder, after what the shell does in new namespaces, and gives the outcome of each.
fn outcomes(folder: &Path, specs: &[PathBuf], namespaces: &[&str], shell: &str) -> Outcomes {
    let results = tempfile::NamedTempFile::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let report = format!("json={}", results.path().display());
    let mut command = match namespaces {
        [] => Command::new("sh"),
        _ => Command::new("unshare"),
    };
    if !namespaces.is_empty() {
        command.args(namespaces).arg("sh");
    }
    command.args(["-ec", &format!("{shell}\nexec \"$0\" \"$@\"")]);
    command.args([VERIFY, "run", "--report", &report]);
    let output = command
        .args(specs)
        .current_dir(folder)
        .env("CI", "1")
        .output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(matches!(output.status.code(), Some(0 | 3)), "{said}");
    read(&fs::read_to_string(results.path()).unwrap(), &said)
}

fn read(results: &str, said: &str) -> Outcomes {
    let results: serde_json::Value = serde_json::from_str(results).unwrap();
    let outcome = |experiment: &serde_json::Value| {
        let word = |key: &str| experiment[key].as_str().unwrap().to_owned();
        assert_ne!(word("outcome"), "broken", "{said}");
        (word("id"), word("outcome"))
    };
    results["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .map(outcome)
        .collect()
}

fn a_folder_with_blanks_and_brackets() {
    let outer = TempDir::new().unwrap();
    let inner = outer.path().join("a b [c] (d) *");
    for folder in ["specs", "snapshots"] {
        fs::create_dir_all(inner.join(folder)).unwrap();
        for file in fs::read_dir(Path::new(ROOT).join(folder)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), inner.join(folder).join(file.file_name())).unwrap();
        }
    }
    assert_eq!(outcomes(&inner, &settled(), &[], ""), *HERE);
}

/// A process that wants a whole CPU, until it is dropped.
struct Spinner(Child);

impl Spinner {
    fn start() -> Self {
        let looping = ["-c", "while :; do :; done"];
        Self(Command::new("sh").args(looping).spawn().unwrap())
    }
}

impl Drop for Spinner {
    fn drop(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn busy_cpus() {
    let measuring = specs(measures);
    let idle = outcomes(Path::new(ROOT), &measuring, &[], "");
    let cpus = std::thread::available_parallelism().unwrap().get();
    let _spinners: Vec<_> = (0..cpus).map(|_| Spinner::start()).collect();
    assert_eq!(outcomes(Path::new(ROOT), &measuring, &[], ""), idle);
}
