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
    for name in names {
        let snapshot = Path::new(ROOT)
            .join("snapshots")
            .join(format!("{name}.snap"));
        writeln!(file, "{}", snapshot.display()).expect("insta's file can be written");
    }
}

fn trial(name: &str, unmet: Option<&String>) -> Trial {
    let spec = format!("specs/{name}.yaml");
    let perform = move || {
        let output = verify().args(["run", &spec]).output()?;
        match output.status.code() {
            Some(0) => Ok(()),
            _ => Err(Failed::from(format!(
                "{}{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            ))),
        }
    };
    Trial::test(name, perform)
        .with_kind("spec")
        .with_ignored_flag(unmet.is_some())
}
