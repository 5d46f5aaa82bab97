//! A line of a session prints what it prints in a shell: the same lines are given to verify and to sh(1), here; and what
//! `ip` printed when it was reviewed, ip(8) prints here.
//!
//! Ignored where no worker can be started, or where there is no ip(8).

#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Read as _;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Failed, Trial};

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
cat copy
echo one > copy
cat copy a/file
ls
ls a
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
    let without_ip = without_ip();
    if let Some(why) = without_ip {
        eprintln!("skipped: what ip(8) prints cannot be compared here: {why}");
    }
    let name = "ip_prints_what_the_ip_of_this_host_prints";
    let ip = Trial::test(name, ip_prints_what_the_ip_of_this_host_prints)
        .with_ignored_flag(without_ip.is_some());
    libtest_mimic::run(&arguments, vec![trial, ip]).exit_code()
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

/// The reviewed sessions of which ip(8) does all that their links and routes come from.
const OF_IP: [&str; 3] = [
    "net-namespace",
    "net-namespace-bridge",
    "net-namespace-routes",
];

/// How long the kernel may take to work off a change: ip(8) does not wait for that, as verify does.
const LIMIT: Duration = Duration::from_secs(5);

fn without_ip() -> Option<&'static str> {
    let succeeds = |command: &str| {
        let mut words = command.split(' ');
        let mut command = Command::new(words.next().unwrap());
        let quiet = command
            .args(words)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        quiet.status().is_ok_and(|status| status.success())
    };
    let programs = ["ip -V", "nsenter -V", "unshare --mount --net true"];
    programs.into_iter().find(|command| !succeeds(command))
}

fn ip_prints_what_the_ip_of_this_host_prints() -> Result<(), Failed> {
    for name in OF_IP {
        let path = format!("{}/snapshots/{name}.snap", env!("CARGO_MANIFEST_DIR"));
        let snapshot = fs::read_to_string(path).unwrap();
        let (_, session) = snapshot.split_once("\n---\n").unwrap();
        let mut host = Host::new();
        let steps = session.split("# ").filter(|step| step.starts_with("ip "));
        for step in steps.filter(|step| !step.contains(" ping ")) {
            let (line, reviewed) = step.split_once('\n').unwrap();
            let reviewed = &match line.contains(" -4 ") {
                // Where the other end is stands beside the MAC address, which is no address of IPv4.
                true => without_netnsid(reviewed),
                false => reviewed.to_owned(),
            };
            host.prints(line, reviewed)
                .map_err(|printed| format!("{name}: {line}\n{printed}instead of\n{reviewed}"))?;
        }
    }
    Ok(())
}

/// New network and mount namespaces, in which the programs of this host perform a session.
struct Host {
    /// Who keeps them.
    shell: Child,
    /// The links into other namespaces, and these, in the order in which they were seen.
    seen: [Vec<String>; 2],
}

impl Host {
    fn new() -> Self {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--net", "sh", "-c"]);
        unshare.arg("mount -t tmpfs none /run && echo && read -r _");
        let piped = unshare.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut shell = piped.spawn().unwrap();
        let mut ready = [0];
        shell
            .stdout
            .as_mut()
            .unwrap()
            .read_exact(&mut ready)
            .unwrap();
        let seen = [Vec::new(), Vec::new()];
        Self { shell, seen }
    }

    /// Performs a line, and one that shows something until it shows what was reviewed. Else what it showed at last.
    fn prints(&mut self, line: &str, reviewed: &str) -> Result<(), String> {
        let begun = Instant::now();
        loop {
            let seen = self.seen.clone();
            let printed = self.perform(line);
            if printed == reviewed {
                return Ok(());
            }
            if reviewed.is_empty() || begun.elapsed() > LIMIT {
                return Err(printed);
            }
            self.seen = seen;
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// What a line prints, its errors as well, without what verify leaves out.
    fn perform(&mut self, line: &str) -> String {
        let shell = self.shell.id().to_string();
        let mut nsenter = Command::new("nsenter");
        let inside = nsenter.args(["--target", &shell, "--mount", "--net", "--"]);
        let output = inside.args(line.split(' ')).output().unwrap();
        let [printed, errors] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
        let mut thinned = String::new();
        for line in printed.lines() {
            match line.split_once(": <") {
                Some((link, rest)) => {
                    let (_, link) = link.split_once(": ").unwrap();
                    thinned += &format!("{}: <{}\n", self.lettered(link), link_line(rest));
                }
                // It says whose MAC address is here, and where the other end is.
                None if line.starts_with("    link/") => {
                    let (_, other) = line.split_once(" link-netns").unwrap_or_default();
                    if let Some((_, name)) = other.split_once(' ') {
                        thinned.pop();
                        thinned += &format!(" link-netnsid {}\n", self.number(name));
                    }
                }
                None if line.contains("valid_lft") => {}
                None => thinned += &format!("{}\n", line.trim_end()),
            }
        }
        thinned + &errors
    }

    /// `host@if[A]` instead of `host@if3`.
    fn lettered(&mut self, link: &str) -> String {
        let Some((name, _)) = link.split_once("@if") else {
            return link.to_owned();
        };
        let letter = b'A' + u8::try_from(nth(&mut self.seen[0], link)).unwrap();
        format!("{name}@if[{}]", char::from(letter))
    }

    /// The number of a network namespace: ip(8) has its name, where it has one.
    fn number(&mut self, name: &str) -> usize {
        let number = name.parse();
        number.unwrap_or_else(|_| nth(&mut self.seen[1], name))
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.shell.kill();
        let _ = self.shell.wait();
    }
}

fn without_netnsid(text: &str) -> String {
    let lines = text
        .lines()
        .filter_map(|line| line.split(" link-netnsid ").next());
    lines.map(|line| line.to_owned() + "\n").collect()
}

/// Where it is in the list, at whose end it is put when it is new.
fn nth(list: &mut Vec<String>, one: &str) -> usize {
    let place = list.iter().position(|other| other == one);
    place.unwrap_or_else(|| {
        list.push(one.to_owned());
        list.len() - 1
    })
}

/// What follows `guest: <`, without what another host would have otherwise: M-DOWN, and MTUs, queues, modes and groups.
fn link_line(line: &str) -> String {
    let (flags, rest) = line.split_once('>').unwrap();
    let flags: Vec<_> = flags.split(',').filter(|flag| *flag != "M-DOWN").collect();
    let mut words = rest.split_whitespace();
    let mut kept = String::new();
    while let (Some(key), Some(value)) = (words.next(), words.next()) {
        if matches!(key, "master" | "state") {
            kept += &format!(" {key} {value}");
        }
    }
    format!("{}>{kept}", flags.join(","))
}
