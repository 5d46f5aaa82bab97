//! The statement of a run, signed and checked with ssh-keygen(1) as the README says.
//!
//! Where there is no ssh-keygen these are ignored tests, with the reason, and not passed ones.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;
use tempfile::TempDir;
use verify::digest::sha256;

const RESULTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/fixtures/results/certified.json"
);

fn main() {
    let arguments = Arguments::from_args();
    let missing = Command::new("ssh-keygen").arg("-?").output().is_err();
    if missing {
        eprintln!("skipped: no ssh-keygen here");
    }
    let tests: [(&str, fn()); 2] = [
        (
            "a_signed_statement_is_checked_and_no_other_one",
            a_signed_statement_is_checked_and_no_other_one,
        ),
        (
            "a_statement_binds_host_policy_specs_snapshots_and_binary",
            a_statement_binds_host_policy_specs_snapshots_and_binary,
        ),
    ];
    let trials = tests.into_iter().map(|(name, test)| {
        let run = move || {
            test();
            Ok::<(), Failed>(())
        };
        Trial::test(name, run).with_ignored_flag(missing && name.contains("signed"))
    });
    libtest_mimic::run(&arguments, trials.collect()).exit();
}

/// A folder with the statement and the host's facts of a run.
fn audited() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["report", RESULTS])
        .args(["-r", "in-toto=statement.json", "-r", "host=host.json"])
        .current_dir(folder.path())
        .status();
    assert!(status.unwrap().success());
    folder
}

fn ssh_keygen(folder: &Path, arguments: &[&str], input: Option<&str>) -> bool {
    let input = input.map_or_else(Stdio::null, |name| {
        fs::File::open(folder.join(name)).unwrap().into()
    });
    let output = Command::new("ssh-keygen")
        .args(arguments)
        .current_dir(folder)
        .stdin(input)
        .output();
    output.unwrap().status.success()
}

fn a_signed_statement_is_checked_and_no_other_one() {
    let folder = audited();
    let folder = folder.path();
    let key = ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", "key"];
    assert!(ssh_keygen(folder, &key, None));
    let sign = ["-Y", "sign", "-f", "key", "-n", "verify", "statement.json"];
    assert!(ssh_keygen(folder, &sign, None));
    let public = fs::read_to_string(folder.join("key.pub")).unwrap();
    let signers = format!("ops@example.org namespaces=\"verify\" {public}");
    fs::write(folder.join("allowed_signers"), signers).unwrap();
    let signature = "statement.json.sig";
    let check = [
        "-Y",
        "verify",
        "-f",
        "allowed_signers",
        "-I",
        "ops@example.org",
    ];
    let check = [&check[..], &["-n", "verify", "-s", signature]].concat();
    assert!(ssh_keygen(folder, &check, Some("statement.json")));
    let statement = fs::read_to_string(folder.join("statement.json")).unwrap();
    let forged = statement.replacen("PASSED", "WARNED", 1);
    assert_ne!(statement, forged);
    fs::write(folder.join("forged.json"), forged).unwrap();
    assert!(!ssh_keygen(folder, &check, Some("forged.json")));
}

fn a_statement_binds_host_policy_specs_snapshots_and_binary() {
    let folder = audited();
    let json = |path: &Path| serde_json::from_slice::<Value>(&fs::read(path).unwrap()).unwrap();
    let statement = json(&folder.path().join("statement.json"));
    let host = fs::read(folder.path().join("host.json")).unwrap();
    assert_eq!(statement["subject"][0]["digest"]["sha256"], sha256(&host));
    let results = json(Path::new(RESULTS));
    let bound = statement["predicate"]["configuration"].as_array().unwrap();
    let bound: Vec<_> = bound.iter().map(|one| &one["digest"]["sha256"]).collect();
    let experiments = results["experiments"].as_array().unwrap();
    let files = experiments
        .iter()
        .flat_map(|one| [&one["spec"], &one["snapshot"]]);
    let policies = results["policy"]["files"].as_array().unwrap();
    for file in files.chain(policies).chain([&results["verify"]]) {
        assert!(bound.contains(&&file["sha256"]), "{file} is not bound");
    }
}
