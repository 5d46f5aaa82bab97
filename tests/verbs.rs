//! A line of a session prints what it prints in a shell: the same lines are given to verify and to sh(1), here.
//!
//! Ignored where no worker can be started.

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Trial};

/// What every host has a program for.
const LINES: &str = "\
mkdir -p a/b c
echo one > a/file
echo two >> a/file
echo \"three  four\" >> a/file
cat a/file
grep one a/file
grep -c o a/file
grep -c -w fo a/file
cp a/file copy
echo one > copy
cat copy a/file
ls
ls a copy
mkfifo fifo
ln -s a/file link
ln -s nowhere dangling
touch empty
stat -c %F a copy empty fifo link
stat -c %a:%F copy
readlink link
cat link
rm copy empty
rmdir a/b c
ls
cd a
ls
cat file
mkdir b
cd b
ls
";

/// What is no verb, and done by a program of the host.
const PROGRAMS: [&str; 3] = ["mkfifo", "ln", "touch"];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let unfit = session("touch a\nls\n").err();
    if let Some(why) = &unfit {
        eprintln!("skipped: no worker can be started here, or no program in it: {why}");
    }
    let test = || {
        assert_eq!(session(LINES).unwrap(), in_a_shell(LINES));
        Ok(())
    };
    let name = "a_line_prints_what_it_prints_in_a_shell";
    let trial = Trial::test(name, test).with_ignored_flag(unfit.is_some());
    libtest_mimic::run(&arguments, vec![trial]).exit_code()
}

/// The lines as verify performs them, each with what it prints; else what verify says about it.
fn session(lines: &str) -> Result<String, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("specs")).unwrap();
    let spec = folder.path().join("specs/x.yaml");
    let mut text = "experiment: x\ntitle: t\nsteps:\n".to_owned();
    for line in lines.lines() {
        let (verb, words) = line.split_once(' ').unwrap_or((line, ""));
        let _ = match PROGRAMS.contains(&verb) {
            true => writeln!(text, "  - run: {line}"),
            false => writeln!(text, "  - {verb}: '{words}'"),
        };
    }
    fs::write(&spec, text).unwrap();
    let mut verify = Command::new(env!("CARGO_BIN_EXE_verify"));
    let output = verify
        .arg("run")
        .arg(&spec)
        .env_remove("CI")
        .output()
        .unwrap();
    let snapshot = fs::read_to_string(folder.path().join("snapshots/x.snap.new"));
    let session = snapshot.ok().and_then(|snapshot| {
        let (_, session) = snapshot.split_once("\n---\n")?;
        Some(session.to_owned())
    });
    session.ok_or_else(|| {
        [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat()
    })
}

/// The lines as a shell performs them, in the same form.
fn in_a_shell(lines: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let script = lines.lines().fold(String::new(), |script, line| {
        script + "echo '# " + line + "'\n" + line + "\n"
    });
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("LC_ALL", "C");
    let output = shell.output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}
