//! `verify run` on fixtures: what is performed, what is written, what the exit code says.
//!
//! Where no worker can be started these are ignored tests, with the reason, and not passed ones.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use common::{answer, trial};
use libtest_mimic::Arguments;
use tempfile::TempDir;

const HELLO: &str = "experiment: hello\ntitle: t\nsteps:\n  - echo: Hello > a\n  - cat: a\n";
const SESSION: &str =
    "---\nsource: specs/hello.yaml\ndescription: t\n---\n# echo Hello > a\n# cat a\nHello\n";

/// Leaves a process frozen.
const FROZEN: &str = "experiment: hello
title: t
needs: [cgroup-v1 freezer]
steps:
  - a.out:
  - cd: /sys/fs/cgroup/freezer
  - mkdir: frozen
  - echo: a.out > frozen/tasks
  - echo: FROZEN > frozen/freezer.state
  - cat: frozen/freezer.state
";

fn main() {
    let arguments = Arguments::from_args();
    let (here, frozen) = (cannot_perform(HELLO), cannot_perform(FROZEN));
    let root = nix::unistd::geteuid().is_root();
    if let Some(why) = &here {
        eprintln!("skipped: no worker can be started here: {why}");
    } else if !root {
        eprintln!("skipped: tests that mount or change the user need root");
    }
    let any: [(&str, fn()); 23] = [
        ("a_reviewed_session_passes", a_reviewed_session_passes),
        (
            "a_new_session_waits_for_a_review",
            a_new_session_waits_for_a_review,
        ),
        ("ci_writes_nothing", ci_writes_nothing),
        (
            "a_session_that_differs_fails_and_waits",
            a_session_that_differs_fails_and_waits,
        ),
        (
            "an_older_pending_session_goes_when_it_agrees",
            an_older_pending_session_goes_when_it_agrees,
        ),
        (
            "a_failed_step_is_shown_and_nothing_is_written",
            a_failed_step_is_shown_and_nothing_is_written,
        ),
        (
            "a_declared_failure_must_happen",
            a_declared_failure_must_happen,
        ),
        (
            "a_time_limit_is_not_about_the_host",
            a_time_limit_is_not_about_the_host,
        ),
        ("links_do_not_lead_out", links_do_not_lead_out),
        (
            "a_full_scratch_directory_is_an_answer",
            a_full_scratch_directory_is_an_answer,
        ),
        (
            "an_unmet_need_is_skipped_with_its_reason",
            an_unmet_need_is_skipped_with_its_reason,
        ),
        (
            "a_reader_that_goes_away_does_not_end_the_run",
            a_reader_that_goes_away_does_not_end_the_run,
        ),
        (
            "a_terminal_shows_what_takes_long_for_as_long_as_it_does",
            a_terminal_shows_what_takes_long_for_as_long_as_it_does,
        ),
        (
            "an_experiment_that_does_not_answer_alike_is_flaky",
            an_experiment_that_does_not_answer_alike_is_flaky,
        ),
        (
            "a_policy_performs_what_it_names",
            a_policy_performs_what_it_names,
        ),
        (
            "a_waived_experiment_is_performed",
            a_waived_experiment_is_performed,
        ),
        (
            "a_time_limit_of_a_policy_counts_over_that_of_a_spec",
            a_time_limit_of_a_policy_counts_over_that_of_a_spec,
        ),
        (
            "a_plan_that_is_interrupted_says_so",
            a_plan_that_is_interrupted_says_so,
        ),
        ("a_folder_may_have_any_name", a_folder_may_have_any_name),
        (
            "the_results_stand_for_themselves",
            the_results_stand_for_themselves,
        ),
        (
            "a_report_that_cannot_be_written_loses_no_other",
            a_report_that_cannot_be_written_loses_no_other,
        ),
        (
            "what_is_inside_the_binary_is_performed_anywhere",
            what_is_inside_the_binary_is_performed_anywhere,
        ),
        (
            "a_report_on_standard_output_is_alone_there",
            a_report_on_standard_output_is_alone_there,
        ),
    ];
    let as_root: [(&str, fn()); 6] = [
        (
            "a_worker_has_mounts_of_its_own_without_privilege",
            a_worker_has_mounts_of_its_own_without_privilege,
        ),
        (
            "an_ordinary_user_gets_an_honest_result",
            an_ordinary_user_gets_an_honest_result,
        ),
        (
            "without_proc_the_worker_mounts_its_own",
            without_proc_the_worker_mounts_its_own,
        ),
        (
            "a_read_only_folder_keeps_its_snapshots",
            a_read_only_folder_keeps_its_snapshots,
        ),
        (
            "a_full_disk_keeps_its_snapshots",
            a_full_disk_keeps_its_snapshots,
        ),
        ("one_run_at_a_time_measures", one_run_at_a_time_measures),
    ];
    let mut trials: Vec<_> = any
        .into_iter()
        .map(|(name, test)| trial(name, test, here.is_some()))
        .collect();
    trials.extend(
        as_root
            .into_iter()
            .map(|(name, test)| trial(name, test, here.is_some() || !root)),
    );
    if let Some(why) = &frozen {
        eprintln!("skipped: no process can be frozen by cgroup v1: {why}");
    }
    trials.push(trial(
        "a_run_ends_while_a_process_is_frozen",
        a_run_ends_while_a_process_is_frozen,
        frozen.is_some(),
    ));
    libtest_mimic::run(&arguments, trials).exit();
}

/// Why an experiment cannot be performed here, if that is so.
fn cannot_perform(spec: &str) -> Option<String> {
    let folder = project(spec, None);
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["plan", "--json"])
        .arg(specs(&folder))
        .output()
        .unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (rows[0]["state"] != "run")
        .then(|| rows[0]["why"].to_string() + &String::from_utf8_lossy(&output.stderr))
}

/// A folder with `specs/hello.yaml` and, if there is one, its snapshot.
fn project(spec: &str, snapshot: Option<&str>) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("specs")).unwrap();
    fs::create_dir(folder.path().join("snapshots")).unwrap();
    fs::write(folder.path().join("specs/hello.yaml"), spec).unwrap();
    if let Some(snapshot) = snapshot {
        fs::write(folder.path().join("snapshots/hello.snap"), snapshot).unwrap();
    }
    folder
}

fn specs(folder: &TempDir) -> String {
    folder.path().join("specs").to_string_lossy().into_owned()
}

fn pending(folder: &TempDir) -> Option<String> {
    fs::read_to_string(folder.path().join("snapshots/hello.snap.new")).ok()
}

fn run(folder: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.arg("run").arg(specs(folder)).env_remove("CI");
    command
}

fn expect(command: &mut Command, code: i32, words: &[&str]) -> String {
    let (found, text) = answer(command);
    assert_eq!(found, code, "{text}");
    for word in words {
        assert!(text.contains(word), "`{word}` is not in:\n{text}");
    }
    text
}

fn a_reviewed_session_passes() {
    let folder = project(HELLO, Some(SESSION));
    let text = expect(
        &mut run(&folder),
        0,
        &["pass", "hello", "certified", "exit code 0"],
    );
    assert!(
        !text.contains('\u{1b}'),
        "no colours without a terminal: {text}"
    );
    assert_eq!(pending(&folder), None);
}

fn what_is_inside_the_binary_is_performed_anywhere() {
    let empty = tempfile::tempdir().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    command.args(["run", "uts-namespace"]).current_dir(&empty);
    expect(&mut command, 0, &["certified: 2 passed"]);
    assert_eq!(fs::read_dir(&empty).unwrap().count(), 0);
}

fn a_new_session_waits_for_a_review() {
    let folder = project(HELLO, None);
    expect(
        &mut run(&folder),
        3,
        &["undecided", "no reviewed snapshot", "hello.snap.new"],
    );
    assert_eq!(pending(&folder).as_deref(), Some(SESSION));
    expect(&mut run(&folder), 3, &["undecided"]);
}

fn ci_writes_nothing() {
    let folder = project(HELLO, None);
    expect(run(&folder).env("CI", "true"), 3, &["undecided"]);
    assert_eq!(pending(&folder), None);
}

fn a_session_that_differs_fails_and_waits() {
    let reviewed = SESSION.replace("\nHello\n", "\nHallo\n");
    let folder = project(HELLO, Some(&reviewed));
    expect(
        &mut run(&folder),
        1,
        &[
            "FAIL",
            "not certified",
            "Hallo",
            "Hello",
            "hello.yaml:5",
            "cause: not known",
            "evidence: looked at",
            "# cat a",
        ],
    );
    assert_eq!(pending(&folder).as_deref(), Some(SESSION));
    assert_eq!(
        fs::read_to_string(folder.path().join("snapshots/hello.snap")).unwrap(),
        reviewed
    );
}

fn an_older_pending_session_goes_when_it_agrees() {
    let folder = project(HELLO, Some(SESSION));
    fs::write(folder.path().join("snapshots/hello.snap.new"), SESSION).unwrap();
    expect(&mut run(&folder), 0, &["certified"]);
    assert_eq!(pending(&folder), None);
}

fn a_failed_step_is_shown_and_nothing_is_written() {
    let folder = project(
        &HELLO.replace("- cat: a", "- cat: b\n  - pwd:"),
        Some(SESSION),
    );
    expect(
        &mut run(&folder),
        1,
        &[
            "FAIL",
            "cat: ENOENT: no such file or directory",
            "1 step after it",
        ],
    );
    assert_eq!(pending(&folder), None);
}

fn a_declared_failure_must_happen() {
    let folder = project(&format!("{HELLO}    fails: ENOENT\n"), Some(SESSION));
    expect(
        &mut run(&folder),
        1,
        &["succeeded, but must fail with ENOENT"],
    );
    let other = HELLO.replace("cat: a", "cat: b") + "    fails: EPERM\n";
    expect(
        &mut run(&project(&other, Some(SESSION))),
        1,
        &["cat: ENOENT"],
    );
}

fn a_time_limit_is_not_about_the_host() {
    let slow = HELLO.replace("- cat: a", "- run: sleep 60\n    timeout: 100ms");
    let folder = project(&slow, Some(SESSION));
    expect(
        &mut run(&folder),
        3,
        &["BROKEN", "not done after 0.100 s at `sleep 60`"],
    );
    let slow = format!(
        "timeout: 100ms\n{}",
        HELLO.replace("cat: a", "run: sleep 60")
    );
    expect(
        &mut run(&project(&slow, Some(SESSION))),
        3,
        &["not done after 0.100 s"],
    );
    let inside = "- unshare: -u /bin/bash\n    timeout: 100ms\n    inside:\n      - pwd:\n      - run: sleep 60";
    let around = HELLO.replace("- cat: a", inside);
    expect(
        &mut run(&project(&around, Some(SESSION))),
        3,
        &["not done after 0.100 s at `sleep 60`"],
    );
}

/// A frozen process of cgroup v1 does not die of SIGKILL, and a PID namespace ends when all in it have died.
fn a_run_ends_while_a_process_is_frozen() {
    let failing = format!("{FROZEN}  - cat: nothing\n");
    expect(&mut run(&project(&failing, None)), 1, &["nothing: ENOENT"]);
    let slow = format!("{FROZEN}  - run: sleep 60\n    timeout: 100ms\n");
    expect(&mut run(&project(&slow, None)), 3, &["not done after"]);
}

fn links_do_not_lead_out() {
    let spec = "experiment: hello\ntitle: t\nsteps:\n  - run: ln -s /etc away\n  - cat: away/passwd\n    fails: EXDEV\n  - echo: a > away/verify\n    fails: EXDEV\n  - mkdir: away/verify\n    fails: EXDEV\n";
    let folder = project(spec, None);
    expect(&mut run(&folder), 3, &["no reviewed snapshot"]);
    assert!(pending(&folder).unwrap().contains("cat: EXDEV: "));
}

fn a_full_scratch_directory_is_an_answer() {
    let spec = "experiment: hello\ntitle: t\nsteps:\n  - run: dd if=/dev/zero of=full bs=1M count=100\n    fails: 1\n  - echo: Hello > a\n    fails: ENOSPC\n";
    let folder = project(spec, None);
    expect(&mut run(&folder), 3, &["no reviewed snapshot"]);
    let session = pending(&folder).unwrap();
    assert!(
        session.contains("echo: ENOSPC: no space left on device"),
        "{session}"
    );
}

fn an_unmet_need_is_skipped_with_its_reason() {
    let spec = HELLO.replace("steps:", "needs: [program /no/such/program]\nsteps:");
    expect(
        &mut run(&project(&spec, Some(SESSION))),
        3,
        &[
            "skip",
            "needs program /no/such/program",
            "ENOENT",
            "undecided",
        ],
    );
}

fn a_reader_that_goes_away_does_not_end_the_run() {
    let folder = project(HELLO, Some(SESSION));
    let mut child = run(&folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut stderr = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut stderr)
        .unwrap();
    assert_eq!(
        (child.wait().unwrap().code(), stderr.as_str()),
        (Some(0), "")
    );
}

/// A terminal's own newline is CR LF; what verify writes before it takes the line away.
fn a_terminal_shows_what_takes_long_for_as_long_as_it_does() {
    let spec = "experiment: hello\ntitle: t\nsteps:\n  - run: sleep 2\n";
    let folder = project(
        spec,
        Some("---\nsource: specs/hello.yaml\ndescription: t\n---\n# sleep 2\n"),
    );
    let terminal = nix::pty::openpty(None, None).unwrap();
    let status = run(&folder)
        .env("NO_COLOR", "1")
        .stdout(Stdio::null())
        .stderr(terminal.slave)
        .status()
        .unwrap();
    // Nobody has the other end any more: what was written is there, and then EIO.
    let mut shown = Vec::new();
    let _ = fs::File::from(terminal.master).read_to_end(&mut shown);
    let shown = String::from_utf8(shown).unwrap();
    assert_eq!(status.code(), Some(0), "{shown}");
    let lines: Vec<_> = shown.split("\r\x1b[2K").collect();
    assert!(lines.len() >= 3, "{shown:?}");
    assert_eq!(
        (lines[0], lines[1], lines[lines.len() - 1]),
        ("", "  …  hello, 1 s: sleep 2", "")
    );
}

/// A program of the host that says each time what is next in a pipe.
fn an_experiment_that_does_not_answer_alike_is_flaky() {
    let folder = project(HELLO, None);
    let pipe = folder.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
    let both = fs::OpenOptions::new().read(true).write(true).open(&pipe);
    let mut answers = both.unwrap();
    let script = format!(
        "#!/bin/sh\nread answer < {}\necho $answer\n",
        pipe.display()
    );
    let program = beside(&folder, "program", &script);
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let spec = format!("experiment: hello\ntitle: t\nsteps:\n  - run: {program}\n");
    beside(&folder, "specs/hello.yaml", &spec);
    let session = format!("---\nsource: specs/hello.yaml\ndescription: t\n---\n# {program}\nyes\n");
    beside(&folder, "snapshots/hello.snap", &session);
    answers.write_all(b"yes\nno\nyes\n").unwrap();
    let why = "passed 2 times of 3, but: the session differs";
    expect(
        run(&folder).args(["--repeat", "3"]),
        3,
        &["BROKEN hello", why],
    );
    assert_eq!(
        pending(&folder),
        None,
        "nobody can say which session is right"
    );
    let policy = "policy: own\nrequire: [hello]\nmeans: {flaky: not-certified}\n";
    let policy = beside(&folder, "own.yaml", policy);
    answers.write_all(b"yes\nno\n").unwrap();
    expect(
        run(&folder).args(["--repeat", "2", "--policy", &policy]),
        1,
        &[],
    );
    answers.write_all(b"yes\nyes\n").unwrap();
    expect(run(&folder).args(["--repeat", "2"]), 0, &["certified"]);
}

/// A file in the folder, and its path.
fn beside(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path.to_string_lossy().into_owned()
}

fn a_policy_performs_what_it_names() {
    let folder = project(HELLO, Some(SESSION));
    fs::write(
        folder.path().join("specs/other.yaml"),
        HELLO.replace("hello", "other"),
    )
    .unwrap();
    let policy = beside(&folder, "own.yaml", "policy: own\nrequire: [hello]\n");
    let text = expect(run(&folder).args(["--policy", &policy]), 0, &["certified"]);
    assert!(!text.contains("other"), "{text}");
    beside(
        &folder,
        "own.yaml",
        "policy: own\nrequire: [hello, chroot]\n",
    );
    expect(run(&folder).args(["--policy", &policy]), 3, &["undecided"]);
    beside(
        &folder,
        "own.yaml",
        "policy: own\nmeans: {new-snapshot: not-certified}\nrequire: [other]\n",
    );
    expect(
        run(&folder).args(["--policy", &policy]),
        1,
        &["not certified"],
    );
}

fn a_waived_experiment_is_performed() {
    let folder = project(HELLO, Some(&SESSION.replace("\nHello", "\nHallo")));
    let waived = |day: &str, difference: &str| {
        let text = format!(
            "waivers:\n  - experiment: hello\n    owner: o\n    reason: r\n    last-day: {day}\n{difference}"
        );
        beside(&folder, "waivers.yaml", &text)
    };
    let far = waived("9999-12-31", "");
    let other = HELLO.replace("hello", "other");
    fs::write(folder.path().join("specs/other.yaml"), other).unwrap();
    let other = SESSION.replace("hello", "other");
    fs::write(folder.path().join("snapshots/other.snap"), other).unwrap();
    expect(
        run(&folder).args(["--waivers", &far]),
        0,
        &["FAIL   hello", "Hallo"],
    );
    let expired = waived("2020-02-29", "");
    expect(
        run(&folder).args(["--waivers", &expired]),
        1,
        &["FAIL   hello"],
    );
    let this = waived(
        "9999-12-31",
        "    difference: |\n      - Hallo\n      + Hello\n",
    );
    expect(
        run(&folder).args(["--waivers", &this]),
        0,
        &["FAIL   hello"],
    );
    let another = waived(
        "9999-12-31",
        "    difference: |\n      - Hallo\n      + Hi\n",
    );
    expect(
        run(&folder).args(["--waivers", &another]),
        1,
        &["FAIL   hello"],
    );
}

fn a_time_limit_of_a_policy_counts_over_that_of_a_spec() {
    let endless = "experiment: hello\ntitle: t\nsteps:\n  - run: tail -f /dev/null\n  - pwd:\n";
    let folder = project(endless, Some(SESSION));
    let policy = "policy: own\nrequire: [hello]\ntime-limits: {hello: 300ms}\n";
    let policy = beside(&folder, "own.yaml", policy);
    expect(
        run(&folder).args(["--policy", &policy]),
        3,
        &["not done after 0.300 s"],
    );
}

/// The signal is there already when verify begins to wait for one. What runs in the background of a script ignores it.
fn a_plan_that_is_interrupted_says_so() {
    let folder = project(HELLO, None);
    let mut command = Command::new("env");
    let script = "kill -INT $$; exec \"$0\" plan \"$1\"";
    command
        .args(["--default-signal=INT", "--block-signal=INT"])
        .args(["sh", "-c", script])
        .args([env!("CARGO_BIN_EXE_verify"), &specs(&folder)]);
    expect(&mut command, 130, &["unknown  hello  interrupted"]);
}

fn a_folder_may_have_any_name() {
    let outer = project(HELLO, Some(SESSION));
    let inner = outer.path().join("a b [c] ä");
    fs::create_dir(&inner).unwrap();
    for name in ["specs", "snapshots"] {
        fs::rename(outer.path().join(name), inner.join(name)).unwrap();
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_verify"));
    expect(
        command.arg("run").arg(inner.join("specs")),
        0,
        &["certified"],
    );
}

fn the_results_stand_for_themselves() {
    let reviewed = SESSION.replace("\nHello\n", "\nHallo\n");
    let folder = project(HELLO, Some(&reviewed));
    let file = folder.path().join("results.json");
    expect(
        run(&folder)
            .arg("-r")
            .arg(format!("json={}", file.display())),
        1,
        &["not certified"],
    );
    let text = fs::read_to_string(file).unwrap();
    let results: verify::results::Results = serde_json::from_str(&text).unwrap();
    assert_eq!(results.exit_code.number(), 1);
    assert_eq!(results.counts.fail, 1);
    assert!(results.finished >= results.started);
    let experiment = &results.experiments[0];
    assert!(experiment.spec.path.ends_with("specs/hello.yaml"));
    assert_eq!(experiment.spec.line, Some(5));
    let digest = verify::digest::sha256(reviewed.as_bytes());
    assert_eq!(experiment.snapshot.as_ref().unwrap().sha256, digest);
    assert_eq!(experiment.transcript, "# echo Hello > a\n# cat a\nHello\n");
    assert_eq!(experiment.steps[1].output, "Hello\n");
    let diff = experiment.diff.as_ref().unwrap().plain();
    assert!(
        diff.contains("- Hallo") && diff.contains("+ Hello"),
        "{diff}"
    );
    assert_eq!(serde_json::to_string_pretty(&results).unwrap() + "\n", text);
}

fn a_report_that_cannot_be_written_loses_no_other() {
    let folder = project(HELLO, Some(SESSION));
    let file = folder.path().join("results.json");
    let missing = folder.path().join("missing/results.json");
    let text = expect(
        run(&folder)
            .arg("-r")
            .arg(format!("json={}", missing.display()))
            .args(["-r", "json=/dev/full", "-r"])
            .arg(format!("terminal={}", folder.path().display()))
            .arg("-r")
            .arg(format!("json={}", file.display())),
        0,
        &[
            "certified",
            "missing/results.json: No such file",
            "make its folder first",
            "/dev/full: No space left",
            "cannot write the terminal report",
        ],
    );
    assert!(fs::metadata(file).unwrap().len() > 1000, "{text}");
    let full = fs::metadata("/dev/full").unwrap();
    assert!(!full.is_file(), "a device stays one");
}

fn a_report_on_standard_output_is_alone_there() {
    let folder = project(HELLO, Some(SESSION));
    let output = run(&folder).args(["-r", "json=-"]).output().unwrap();
    serde_json::from_slice::<verify::results::Results>(&output.stdout).unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("certified: 1 passed"), "{stderr}");
}

/// The binary where everybody may execute it.
fn binary_for_all() -> (TempDir, std::path::PathBuf) {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let binary = folder.path().join("verify");
    // By another process: a descriptor for writing that a forking test has got would make it ETXTBSY.
    let copy = ["cp", env!("CARGO_BIN_EXE_verify")];
    let copied = Command::new(copy[0]).arg(copy[1]).arg(&binary).status();
    assert!(copied.unwrap().success());
    (folder, binary)
}

fn an_ordinary_user_gets_an_honest_result() {
    let (_keep, binary) = binary_for_all();
    let (code, text) = answer(
        Command::new(binary)
            .arg("run")
            .current_dir("/")
            .env_remove("XDG_RUNTIME_DIR")
            .uid(65534)
            .gid(65534),
    );
    assert!(
        matches!(code, 0 | 3),
        "nothing fails for want of privilege: {text}"
    );
    assert!(text.contains("user 65534"), "{text}");
    for line in text.lines().filter(|line| line.starts_with("skip")) {
        assert!(
            line.contains("ms") || text.contains("needs "),
            "a skip has a reason: {text}"
        );
    }
}

/// A shell in a mount namespace of its own, which does `prepare` and then runs verify.
fn in_mount_namespace(prepare: &str, folder: &TempDir) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec"]);
    command
        .arg(format!("{prepare}\nexec \"$0\" run \"$1\""))
        .arg(env!("CARGO_BIN_EXE_verify"))
        .arg(specs(folder));
    command.current_dir(folder.path()).env_remove("CI");
    command
}

fn without_proc_the_worker_mounts_its_own() {
    let folder = project(HELLO, Some(SESSION));
    expect(
        &mut in_mount_namespace("umount -l /proc", &folder),
        0,
        &["certified"],
    );
}

/// In /proc it is process 1, as in its PID namespace. proc_pid_mountinfo(5)
fn a_worker_has_mounts_of_its_own_without_privilege() {
    let mounts = "  - grep: rw /proc/self/mountinfo\n";
    let spec = format!("experiment: hello\ntitle: t\nsteps:\n{mounts}  - cat: /proc/1/comm\n");
    let folder = project(&spec, None);
    expect(&mut run(&folder), 3, &["no reviewed snapshot"]);
    let session = pending(&folder).unwrap();
    assert!(session.ends_with("comm\nverify\n"), "{session}");
    // Those of the host come before.
    for (mounted, flags) in [
        (" /proc rw", ",nosuid,nodev,noexec"),
        (" /run rw", ",nosuid,nodev"),
    ] {
        let line = session.lines().rfind(|line| line.contains(mounted));
        assert!(line.unwrap().contains(flags), "{session}");
    }
}

fn a_read_only_folder_keeps_its_snapshots() {
    let reviewed = SESSION.replace("\nHello\n", "\nHallo\n");
    let folder = project(HELLO, Some(&reviewed));
    let prepare = "mount --bind . .; cd .; mount -o remount,ro,bind \"$PWD\"";
    expect(
        &mut in_mount_namespace(prepare, &folder),
        1,
        &["FAIL", "Read-only file system"],
    );
    assert_eq!(
        fs::read_to_string(folder.path().join("snapshots/hello.snap")).unwrap(),
        reviewed
    );
}

fn a_full_disk_keeps_its_snapshots() {
    let reviewed = SESSION.replace("\nHello\n", "\nHallo\n");
    let folder = project(HELLO, Some(&reviewed));
    let prepare = "mount -t tmpfs -o size=8k none snapshots; cat > snapshots/hello.snap; cat /dev/zero > snapshots/full 2>/dev/null || true";
    let mut command = in_mount_namespace(prepare, &folder);
    let snapshot = folder.path().join("reviewed");
    fs::write(&snapshot, &reviewed).unwrap();
    command.stdin(fs::File::open(snapshot).unwrap());
    expect(&mut command, 1, &["FAIL", "Hallo", "No space left"]);
}

/// Whoever measures waits for the lock that all runs share. `/proc/locks` shows a lock that is waited for with an arrow.
fn one_run_at_a_time_measures() {
    let steps = "  - a.out:\n  - b.out:\n  - top: a.out b.out = 1:1 ±40%\n";
    let folder = project(
        &format!("experiment: hello\ntitle: t\nsteps:\n{steps}"),
        None,
    );
    let script = "mount -t tmpfs none /run; mkdir -m 700 /run/verify; exec 9</run/verify; flock 9
        \"$0\" run \"$1\" 9<&- & waits=\"-> FLOCK .*:$(stat -c %i /run/verify) \"
        until grep -q -- \"$waits\" /proc/locks; do kill -0 $! || exit 99; done
        flock -u 9; wait $!";
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-ec", script]);
    command
        .arg(env!("CARGO_BIN_EXE_verify"))
        .arg(specs(&folder))
        .env_remove("CI");
    expect(&mut command, 3, &["no reviewed snapshot"]);
    assert!(pending(&folder).unwrap().contains("a.out : b.out = 1:1"));
}
