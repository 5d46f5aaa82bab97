//! Every spec is a test: `cargo test`, `cargo nextest run` and `cargo insta test` perform them on this kernel.
//!
//! A spec whose needs are not met here is an ignored test, decided before anything runs: a runner that is told at run
//! time counts a skip as a pass.

use std::collections::HashMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use libtest_mimic::{Arguments, Failed, Trial};

const ROOT: &str = env!("CARGO_MANIFEST_DIR");

fn main() {
    let arguments = Arguments::from_args();
    let names = names();
    refer_to_snapshots(&names);
    let unmet = unmet();
    let trials = names
        .iter()
        .map(|name| trial(name, unmet.get(name)))
        .collect();
    if !arguments.list {
        for (name, why) in &unmet {
            eprintln!("skipped: {name}: {why}");
        }
    }
    libtest_mimic::run(&arguments, trials).exit();
}

/// `cargo insta test` asks that a session which differs is no failure: it finds what is pending, and answers for it.
fn asked_to_pass(name: &str) -> bool {
    let asked = std::env::var_os("INSTA_FORCE_PASS").is_some_and(|value| value == "1");
    asked && snapshot(name).with_extension("snap.new").exists()
}

fn snapshot(name: &str) -> PathBuf {
    Path::new(ROOT)
        .join("snapshots")
        .join(format!("{name}.snap"))
}

fn verify() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.current_dir(ROOT);
    command
}

fn names() -> Vec<String> {
    let files = std::fs::read_dir(Path::new(ROOT).join("specs")).expect("specs/ is there");
    let stem = |file: PathBuf| {
        file.file_stem()
            .map(|stem| stem.to_string_lossy().into_owned())
    };
    let mut names: Vec<_> = files
        .flatten()
        .filter_map(|file| stem(file.path()))
        .collect();
    names.sort();
    names
}

/// The experiments that cannot be performed here, and why.
fn unmet() -> HashMap<String, String> {
    let output = verify()
        .args(["plan", "--json", "specs"])
        .output()
        .expect("verify can be executed");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "verify plan: {stderr}");
    let rows: Vec<serde_json::Value> =
        serde_json::from_slice(&output.stdout).expect("verify plan prints JSON");
    let text =
        |row: &serde_json::Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    rows.iter()
        .filter(|row| row["state"] != "run")
        .map(|row| (text(row, "experiment"), text(row, "why")))
        .collect()
}

/// Tells `cargo insta test --unreferenced` that every snapshot has its spec, of those that are skipped as well.
fn refer_to_snapshots(names: &[String]) {
    let Some(file) = std::env::var_os("INSTA_SNAPSHOT_REFERENCES_FILE") else {
        return;
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .expect("insta's file can be opened");
    let paths = names
        .iter()
        .map(|name| format!("{}\n", snapshot(name).display()));
    // In one write: nextest runs this in many processes at once.
    file.write_all(paths.collect::<String>().as_bytes())
        .expect("insta's file can be written");
}

fn trial(name: &str, unmet: Option<&String>) -> Trial {
    let owned = name.to_owned();
    Trial::test(name, move || perform(&owned))
        .with_kind("spec")
        .with_ignored_flag(unmet.is_some())
}

fn perform(name: &str) -> Result<(), Failed> {
    let mut verify = verify();
    verify.arg("run").arg(format!("specs/{name}.yaml"));
    // `cargo insta test --check`: compare, write nothing.
    if std::env::var_os("INSTA_UPDATE").is_some_and(|value| value == "no") {
        verify.env("CI", "1");
    }
    let output = verify.output()?;
    match output.status.code() {
        Some(0) => Ok(()),
        Some(1 | 3) if asked_to_pass(name) => Ok(()),
        _ => Err(Failed::from(format!(
            "{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        ))),
    }
}
