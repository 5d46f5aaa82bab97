//! The command line on good and bad input. Nothing here is performed, so nothing here needs root.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use tempfile::TempDir;

const GOOD: &str = "experiment: good\ntitle: t\nsteps:\n  - pwd:\n";

fn verify(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Exit code, standard output, standard error.
fn answer(mut command: Command) -> (i32, String, String) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (
        output.status.code().unwrap(),
        text(&output.stdout),
        text(&output.stderr),
    )
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    folder
}

fn path(folder: &TempDir, name: &str) -> String {
    folder.path().join(name).to_string_lossy().into_owned()
}

fn expect_invalid(command: Command, words: &[&str]) {
    let (code, stdout, stderr) = answer(command);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    for word in words {
        assert!(stderr.contains(word), "`{word}` is not in:\n{stderr}");
    }
    assert!(!stderr.contains("panicked"), "{stderr}");
}

/// Each `fixtures/bad/NAME.yaml` has what `verify lint` says of it beside it. To make them anew:
/// `for f in fixtures/bad/*.yaml; do verify lint $f 2> ${f%.yaml}.stderr; done`
#[test]
fn every_bad_spec_has_its_message() {
    every_bad_file_has_its_message("fixtures/bad", &["lint"]);
}

/// As for specs: `for f in fixtures/policies/*.yaml; do verify policy show $f 2> ${f%.yaml}.stderr; done`
#[test]
fn every_bad_policy_has_its_message() {
    every_bad_file_has_its_message("fixtures/policies", &["policy", "show"]);
}

fn every_bad_file_has_its_message(folder: &str, command: &[&str]) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<PathBuf> = fs::read_dir(root.join(folder))
        .unwrap()
        .map(|f| f.unwrap().path())
        .collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "yaml")
    });
    assert!(files.len() > 20);
    for file in files {
        let name = file.strip_prefix(root).unwrap().to_string_lossy();
        let expected = fs::read_to_string(file.with_extension("stderr")).unwrap();
        let (code, _, stderr) = answer(verify(&[command, &[&name]].concat()));
        assert_eq!((code, stderr.as_str()), (2, expected.as_str()), "{name}");
    }
}

#[test]
fn a_policy_is_shown_with_the_place_of_each_value() {
    let own =
        "policy: own\ninherits: tutorial\nrecommend: [overlayfs]\ntime-limits: {chroot: 2s}\n";
    let folder = folder(&[("own.yaml", own)]);
    let (code, stdout, stderr) = answer(verify(&["policy", "show", &path(&folder, "own.yaml")]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    let row = |words: &[&str]| {
        let mut lines = stdout.lines();
        let found = lines.any(|line| words.iter().all(|word| line.contains(word)));
        assert!(found, "{words:?} is in no line of:\n{stdout}");
    };
    row(&["require", "chroot", "<built-in>/policies/tutorial.yaml:"]);
    row(&["recommend", "overlayfs", "own.yaml:3"]);
    row(&["time-limits", "chroot: 2s", "own.yaml:4"]);
}

#[test]
fn a_policy_that_there_is_not_performs_nothing() {
    let waived = "waivers:\n  - {experiment: chrot, owner: o, reason: r, last-day: 2027-01-31}\n";
    let folder = folder(&[("waivers.yaml", waived)]);
    let waivers = path(&folder, "waivers.yaml");
    for (arguments, words) in [
        (&["--policy", "tutrial"][..], "did you mean `tutorial`?"),
        (&["--policy", "./missing.yaml"], "missing.yaml"),
        (
            &["--policy", "fixtures/policies/circle.yaml"],
            "in a circle",
        ),
        (&["--waivers", &waivers], "did you mean `chroot`?"),
        (&["--waivers", "policies/ci.yaml"], "unknown key `policy`"),
    ] {
        expect_invalid(verify(&[&["run"], arguments].concat()), &[words]);
    }
}

#[test]
fn all_wrong_specs_of_a_folder_are_reported_at_once() {
    let bad = "experiment: NAME\ntitle: t\nsteps:\n  - mkdr: a\n";
    let (a, b) = (bad.replace("NAME", "a"), bad.replace("NAME", "b"));
    let folder = folder(&[("a.yaml", &a), ("b.yaml", &b), ("good.yaml", GOOD)]);
    expect_invalid(
        verify(&["lint", &path(&folder, "")]),
        &["a.yaml:4:5", "b.yaml:4:5"],
    );
    expect_invalid(
        verify(&["run", &path(&folder, "")]),
        &["a.yaml:4:5", "b.yaml:4:5"],
    );
}

#[test]
fn two_experiments_of_one_name_are_refused() {
    let folder = folder(&[("a/good.yaml", GOOD), ("b/good.yaml", GOOD)]);
    let (a, b) = (path(&folder, "a"), path(&folder, "b"));
    expect_invalid(
        verify(&["run", &a, &b]),
        &[
            "two experiments are named `good`",
            "a/good.yaml",
            "b/good.yaml",
        ],
    );
    let (code, stdout, _) = answer(verify(&["lint", &a, &a, &path(&folder, "a/good.yaml")]));
    assert_eq!(code, 0, "the same file twice is one experiment");
    assert!(stdout.contains("1 specs with 1 steps"), "{stdout}");
}

#[test]
fn files_that_cannot_be_read_are_named() {
    let folder = folder(&[("empty/readme.txt", ""), ("latin.yaml", "")]);
    fs::write(folder.path().join("latin.yaml"), b"experiment: \xe4\n").unwrap();
    fs::create_dir(folder.path().join("dir.yaml")).unwrap();
    expect_invalid(
        verify(&["lint", &path(&folder, "missing.yaml")]),
        &["missing.yaml", "No such file"],
    );
    expect_invalid(
        verify(&["lint", &path(&folder, "empty")]),
        &["no specs in", "empty"],
    );
    expect_invalid(
        verify(&["lint", &path(&folder, "dir.yaml")]),
        &["no specs in", "dir.yaml"],
    );
    expect_invalid(
        verify(&["lint", &path(&folder, "latin.yaml")]),
        &["latin.yaml:1:13", "not UTF-8"],
    );
    expect_invalid(verify(&["lint", "/dev/zero.yaml"]), &["/dev/zero.yaml"]);
    expect_invalid(verify(&["lint", "/dev/zero"]), &["/dev/zero", "bytes"]);
}

#[test]
fn a_file_without_read_permission_is_named() {
    if nix::unistd::geteuid().is_root() {
        // Root reads everything: this is tried as an ordinary user, which needs no capability but being root.
        return as_nobody();
    }
    let folder = folder(&[("good.yaml", GOOD)]);
    fs::set_permissions(
        folder.path().join("good.yaml"),
        fs::Permissions::from_mode(0o0),
    )
    .unwrap();
    expect_invalid(
        verify(&["lint", &path(&folder, "good.yaml")]),
        &["good.yaml", "Permission denied"],
    );
}

fn as_nobody() {
    use std::os::unix::process::CommandExt;
    let folder = folder(&[("good.yaml", GOOD)]);
    let binary = folder.path().join("verify");
    // By another process: a descriptor for writing that a forking test has got would make it ETXTBSY.
    let copy = ["cp", env!("CARGO_BIN_EXE_verify")];
    let copied = std::process::Command::new(copy[0])
        .arg(copy[1])
        .arg(&binary)
        .status();
    assert!(copied.unwrap().success());
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    fs::set_permissions(
        folder.path().join("good.yaml"),
        fs::Permissions::from_mode(0o0),
    )
    .unwrap();
    let mut command = std::process::Command::new(binary);
    command
        .args(["lint", &path(&folder, "good.yaml")])
        .uid(65534)
        .gid(65534);
    expect_invalid(
        Command::from_std(command),
        &["good.yaml", "Permission denied"],
    );
}

#[test]
fn a_huge_spec_is_refused_at_once() {
    let mut text = String::from(GOOD);
    text.push_str(&"  - pwd:\n".repeat(1_200_000));
    let folder = folder(&[("good.yaml", &text)]);
    expect_invalid(
        verify(&["lint", &path(&folder, "good.yaml")]),
        &["good.yaml", "bytes"],
    );
}

#[test]
fn many_steps_are_refused() {
    let text = format!("{GOOD}{}", "  - pwd:\n".repeat(100_000));
    let folder = folder(&[("good.yaml", &text)]);
    expect_invalid(
        verify(&["lint", &path(&folder, "good.yaml")]),
        &["more than 1000 steps"],
    );
}

#[test]
fn a_broken_snapshot_stops_a_run_before_it_begins_and_stays_as_it_is() {
    for (text, words) in [
        (
            "---\nsource: x\n---\n# pwd\n<<<<<<< ours\na\n=======\nb\n>>>>>>> theirs\n",
            "conflict",
        ),
        ("no header\n", "header"),
        ("", "good.snap"),
        ("---\nsource: x\n", "good.snap"),
    ] {
        let folder = folder(&[("specs/good.yaml", GOOD), ("snapshots/good.snap", text)]);
        expect_invalid(
            verify(&["run", &path(&folder, "specs")]),
            &["good.snap", words],
        );
        assert_eq!(
            fs::read_to_string(folder.path().join("snapshots/good.snap")).unwrap(),
            text
        );
        assert!(!folder.path().join("snapshots/good.snap.new").exists());
    }
}

#[test]
fn wrong_arguments_say_what_is_right() {
    expect_invalid(verify(&[]), &["Usage"]);
    expect_invalid(verify(&["lnt"]), &["'lint'"]);
    expect_invalid(verify(&["run", "--job", "1"]), &["--jobs"]);
    expect_invalid(verify(&["run", "--jobs", "0"]), &["--jobs"]);
    expect_invalid(
        verify(&["run", "-r", "jsn=a"]),
        &["jsn=a", "did you mean `json`"],
    );
    expect_invalid(
        verify(&["run", "-r", "json=-", "-r", "terminal=-"]),
        &["two reports go to standard output"],
    );
    let (code, _, stderr) = answer(verify(&["run", "overlay-fs"]));
    assert_eq!(code, 3, "{stderr}");
    assert!(stderr.contains("did you mean `overlayfs`"), "{stderr}");
}

const CERTIFIED: &str = "fixtures/results/certified.json";
const FAILING: &str = "fixtures/results/failing.json";

#[test]
fn two_runs_are_compared_as_diff_does() {
    let (code, stdout, _) = answer(verify(&["diff", CERTIFIED, CERTIFIED]));
    assert_eq!((code, stdout.as_str()), (0, "nothing has changed\n"));
    let (code, stdout, stderr) = answer(verify(&["diff", CERTIFIED, FAILING]));
    assert_eq!((code, stderr.as_str()), (1, ""));
    assert!(
        stdout.contains("worse  overlayfs                pass -> fail"),
        "{stdout}"
    );
}

#[test]
fn many_hosts_are_one_table_sorted_by_what_is_wrong() {
    let (code, stdout, stderr) = answer(verify(&["merge", CERTIFIED, FAILING]));
    assert_eq!((code, stderr.as_str()), (1, ""));
    let lines: Vec<_> = stdout.lines().collect();
    assert!(
        lines[0].starts_with("not certified  fixtures/results/failing.json"),
        "{stdout}"
    );
    assert_eq!(lines.last(), Some(&"1 not certified, 1 certified"));
    assert_eq!(answer(verify(&["merge", CERTIFIED])).0, 0);
}

#[test]
fn a_results_file_that_is_none_is_a_row_and_loses_no_other() {
    let good = fs::read_to_string(CERTIFIED).unwrap();
    let future = good.replacen("verify.results/v1", "verify.results/v9", 1);
    let files = [
        ("a.json", good.as_str()),
        ("future.json", &future),
        ("half.json", &good[..1000]),
        ("host.json", "{\"kernel\": \"6.1.0\"}"),
        ("readme.txt", "not looked at"),
    ];
    let folder = folder(&files);
    let (code, stdout, stderr) = answer(verify(&["merge", &path(&folder, "")]));
    assert_eq!(code, 2, "{stderr}");
    assert!(stdout.starts_with("unreadable"), "{stdout}");
    assert!(
        stdout.ends_with("2 cannot be read, 1 certified\n"),
        "{stdout}"
    );
    for words in [
        "future.json:2:",
        "a newer verify wrote it",
        "half.json:",
        "damaged",
    ] {
        assert!(stderr.contains(words), "`{words}` is not in:\n{stderr}");
    }
    expect_invalid(
        verify(&["diff", CERTIFIED, &path(&folder, "future.json")]),
        &["v9"],
    );
    // What lies beside results is left out, but not when it is taken for them.
    let (code, stdout, _) = answer(verify(&["merge", &path(&folder, "host.json")]));
    assert!(code == 2 && stdout.starts_with("unreadable"), "{stdout}");
    let (code, _, stderr) = answer(verify(&["merge", &path(&folder, "missing.json")]));
    assert!(code == 2 && stderr.contains("missing.json"), "{stderr}");
    fs::create_dir(folder.path().join("empty")).unwrap();
    fs::create_dir(folder.path().join("other")).unwrap();
    fs::write(folder.path().join("other/host.json"), "{}").unwrap();
    for name in ["empty", "other"] {
        expect_invalid(verify(&["merge", &path(&folder, name)]), &["no results in"]);
    }
}

#[test]
fn help_version_schema_man_and_completions_are_printed() {
    for (arguments, words) in [
        (&["--help"][..], "Exit codes:"),
        (&["run", "--help"], "--jobs"),
        (&["--version"], "verify 0."),
        (&["man"], ".TH verify"),
        (&["completions", "bash"], "_verify()"),
        (&["completions", "fish"], "complete -c verify"),
        (&["list"], "overlayfs"),
        (&["list", "--verbs"], "unshare"),
        (&["lint"], "no error"),
        (&["lint", "specs"], "no error"),
        (&["explain", "overlayfs"], "mount -t overlay"),
        (&["policy", "list"], "container-host"),
        (&["host"], "cgroups"),
        (&["host", "--json"], "\"kernel\""),
    ] {
        let (code, stdout, stderr) = answer(verify(arguments));
        assert_eq!((code, stderr.as_str()), (0, ""), "{arguments:?}");
        assert!(stdout.contains(words), "{arguments:?}: {stdout}");
    }
    for arguments in [&["schema"][..], &["schema", "spec"], &["schema", "results"]] {
        let (_, schema, _) = answer(verify(arguments));
        let schema: serde_json::Value = serde_json::from_str(&schema).unwrap();
        assert_eq!(
            schema["$schema"],
            "https://json-schema.org/draft/2020-12/schema"
        );
    }
}

#[test]
fn reports_are_made_of_results_that_are_there_already() {
    let folder = folder(&[("cut.json", "{\n  \"schema\": \"verify.results/v1\",")]);
    let results = "fixtures/results/failing.json";
    let (code, stdout, stderr) = answer(verify(&["report", results]));
    assert_eq!((code, stderr.as_str()), (0, ""));
    assert!(stdout.contains("not certified: 1 passed"), "{stdout}");
    let junit = format!("junit={}", path(&folder, "out.xml"));
    let (code, stdout, _) = answer(verify(&["report", results, "-r", &junit, "-r", "tap=-"]));
    assert_eq!(code, 0);
    assert!(stdout.starts_with("TAP version 14\n"), "{stdout}");
    assert!(folder.path().join("out.xml").exists());
    let mut command = verify(&["report", "-", "-r", "prometheus=-"]);
    command.write_stdin(fs::read(results).unwrap());
    assert!(
        answer(command)
            .1
            .contains("verify_certified{policy=\"example\"} 0")
    );
}

#[test]
fn results_that_cannot_be_read_are_refused_with_the_place() {
    let cut = "{\n  \"schema\": \"verify.results/v1\",";
    let future = "{\"schema\": \"verify.results/v9\"}";
    let folder = folder(&[("cut.json", cut), ("future.json", future)]);
    fs::write(folder.path().join("latin.json"), b"{\"schema\": \"\xe4\"}").unwrap();
    let report = |name: &str| verify(&["report", &path(&folder, name)]);
    expect_invalid(
        report("cut.json"),
        &["cut.json:2:", "incomplete or damaged"],
    );
    expect_invalid(
        report("future.json"),
        &["future.json:1:13", "a newer verify"],
    );
    expect_invalid(report("latin.json"), &["latin.json:1:13", "not UTF-8"]);
    expect_invalid(report("missing.json"), &["missing.json", "No such file"]);
    expect_invalid(report(""), &["cannot read", "Is a directory"]);
    expect_invalid(verify(&["report"]), &["<RESULTS>"]);
}

#[test]
fn a_report_that_cannot_be_written_is_named_and_the_others_are_written() {
    let folder = folder(&[]);
    let missing = format!("junit={}", path(&folder, "missing/out.xml"));
    let tap = format!("tap={}", path(&folder, "out.tap"));
    let results = "fixtures/results/failing.json";
    expect_invalid(
        verify(&[
            "report",
            results,
            "-r",
            &missing,
            "-r",
            "markdown=/dev/full",
            "-r",
            &tap,
        ]),
        &[
            "missing/out.xml",
            "make its folder first",
            "/dev/full: No space left",
        ],
    );
    assert!(folder.path().join("out.tap").exists());
    let summary = format!("summary={}", path(&folder, "summary"));
    for _ in 0..2 {
        assert_eq!(answer(verify(&["report", results, "-r", &summary])).0, 0);
    }
    let text = fs::read_to_string(folder.path().join("summary")).unwrap();
    assert_eq!(text.matches("## verify").count(), 2, "what is there stays");
}

#[test]
fn nothing_waits_for_a_review_where_there_is_nothing() {
    let folder = folder(&[("snapshots/good.snap", "---\nsource: x\n---\na\n")]);
    let (code, stdout, _) = answer(verify(&["review", &path(&folder, "snapshots")]));
    assert_eq!((code, stdout.as_str()), (0, "nothing waits for a review\n"));
}

#[test]
fn sessions_are_shown_accepted_and_rejected_without_cargo() {
    let new = "---\nsource: specs/good.yaml\ndescription: t\n---\n# pwd\n/root\n";
    let files = [
        ("snapshots/good.snap.new", new),
        ("snapshots/other.snap.new", new),
    ];
    let folder = folder(&files);
    let snapshots = path(&folder, "snapshots");
    let (code, stdout, stderr) = answer(verify(&["review", &snapshots]));
    assert_eq!(code, 3, "without a terminal nothing is accepted: {stderr}");
    assert!(
        stdout.contains("good.snap") && stdout.contains("# pwd"),
        "{stdout}"
    );
    assert!(stderr.contains("verify accept"), "{stderr}");
    fs::remove_file(folder.path().join("snapshots/other.snap.new")).unwrap();
    assert_eq!(answer(verify(&["accept", &snapshots])).0, 0);
    assert!(
        fs::read_to_string(folder.path().join("snapshots/good.snap"))
            .unwrap()
            .contains("# pwd\n/root")
    );
    assert!(!folder.path().join("snapshots/good.snap.new").exists());
    fs::write(folder.path().join("snapshots/good.snap.new"), new).unwrap();
    assert_eq!(answer(verify(&["reject", &snapshots])).0, 0);
    assert!(!folder.path().join("snapshots/good.snap.new").exists());
}

/// Asked in a terminal, a key and Enter for each.
#[test]
fn a_review_asks_in_a_terminal() {
    let new = "---\nsource: specs/x.yaml\ndescription: t\n---\n# pwd\n/root\n";
    let names = ["a", "b", "c", "d", "e", "f"].map(|name| format!("snapshots/{name}.snap.new"));
    let folder = folder(&names.each_ref().map(|name| (name.as_str(), new)));
    let terminal = nix::pty::openpty(None, None).unwrap();
    let answers = b"what?\na\nr\ns\naccept\nreject\nskip\n";
    fs::File::from(terminal.master.try_clone().unwrap())
        .write_all(answers)
        .unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify"));
    let output = command
        .args(["review", &path(&folder, "snapshots")])
        .stdin(terminal.slave)
        .output()
        .unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{stderr}");
    assert!(stderr.starts_with("2 still wait for a review"), "{stderr}");
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert_eq!(stdout.matches("(a)ccept").count(), 7, "{stdout}");
    assert!(stdout.contains("[6/6]"), "{stdout}");
    let mut left: Vec<_> = fs::read_dir(folder.path().join("snapshots"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    left.sort();
    assert_eq!(left, ["a.snap", "c.snap.new", "d.snap", "f.snap.new"]);
}

/// What CI has observed and a person accepts: the runner writes no snapshot, but its results hold the session.
#[test]
fn a_session_of_another_machine_is_reviewed_here() {
    let results = fs::read_to_string(FAILING).unwrap();
    let new = serde_json::from_str::<serde_json::Value>(&results).unwrap()["experiments"]
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["reason"]["code"] == "new-snapshot")
        .unwrap()
        .clone();
    let name = new["id"].as_str().unwrap();
    let spec = format!("experiment: {name}\ntitle: t\nsteps:\n  - pwd:\n");
    let spec_file = format!("specs/{name}.yaml");
    let folder = folder(&[(&spec_file, &spec)]);
    let review = |results: &str| {
        fs::write(folder.path().join("results.json"), results).unwrap();
        let from = path(&folder, "results.json");
        answer(verify(&[
            "review",
            "--from",
            &from,
            &path(&folder, "specs"),
        ]))
    };
    let (code, _, stderr) = review(&results);
    assert_eq!(code, 2, "the spec is another one: {stderr}");
    assert!(
        stderr.contains("not the spec that was performed"),
        "{stderr}"
    );
    let performed = new["spec"]["sha256"].as_str().unwrap();
    let here = verify::digest::sha256(spec.as_bytes());
    let (code, stdout, stderr) = review(&results.replace(performed, &here));
    assert_eq!(code, 3, "without a terminal nothing is accepted: {stderr}");
    assert!(stdout.contains("(new)"), "{stdout}");
    assert_eq!(answer(verify(&["accept", &path(&folder, "specs")])).0, 0);
    let accepted = folder.path().join(format!("snapshots/{name}.snap"));
    let transcript = new["transcript"].as_str().unwrap();
    assert!(
        fs::read_to_string(accepted)
            .unwrap()
            .contains(transcript.trim_end())
    );
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let failing = "fixtures/results/failing.json";
    for arguments in [
        &["completions", "bash"][..],
        &["list"],
        &["report", failing],
        &["report", failing, "-r", "json=-"],
    ] {
        // It is gone before there is anything to read.
        let (reader, writer) = nix::unistd::pipe().unwrap();
        drop(reader);
        let (status, stderr) = printing_to(writer.into(), arguments);
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{arguments:?}");
        let full = fs::OpenOptions::new().write(true).open("/dev/full");
        let (status, stderr) = printing_to(full.unwrap().into(), arguments);
        assert_eq!(status, Some(2), "{arguments:?}");
        assert!(stderr.contains("No space left on device"), "{stderr}");
    }
}

#[test]
fn a_report_for_a_terminal_has_colours_in_one_alone() {
    let report = [
        "report",
        "fixtures/results/failing.json",
        "-r",
        "terminal=-",
    ];
    let (code, stdout, stderr) = answer(verify(&report));
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.contains("not certified") && !stdout.contains('\u{1b}'));
}

fn printing_to(stdout: std::process::Stdio, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_verify"));
    let output = command.args(arguments).stdout(stdout).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code(), stderr)
}
