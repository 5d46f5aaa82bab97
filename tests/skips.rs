//! A skip is the host's, not the engine's: what verify says cannot be had here is tried with the host's own programs.
//!
//! The other tests skip what verify itself calls unmet. An engine that starts no worker, or tries no need, would pass
//! them all.

#![allow(clippy::unwrap_used)]

use std::process::{Command, Stdio};

use libtest_mimic::{Arguments, Failed, Trial};

/// All namespaces of a worker.
const WORKER: &str = "unshare --mount --net --uts --ipc --pid --fork true";

fn main() {
    let arguments = Arguments::from_args();
    let unfit = !nix::unistd::geteuid().is_root() || !succeeds("unshare --version");
    if unfit {
        eprintln!("skipped: trying what verify calls unmet takes root and unshare(1)");
    }
    let trial = Trial::test("what_is_skipped_cannot_be_had_otherwise", || {
        what_is_skipped_cannot_be_had_otherwise().map_err(Failed::from)
    });
    libtest_mimic::run(&arguments, vec![trial.with_ignored_flag(unfit)]).exit();
}

fn what_is_skipped_cannot_be_had_otherwise() -> Result<(), String> {
    for (experiment, why) in unmet() {
        let command = otherwise(&why);
        if command.is_some_and(|command| succeeds(&command)) {
            return Err(format!("{experiment} is not performed here: {why}"));
        }
    }
    Ok(())
}

/// The experiments that verify does not perform here, and why.
fn unmet() -> Vec<(String, String)> {
    let mut verify = Command::new(env!("CARGO_BIN_EXE_verify"));
    let plan = verify.args(["plan", "--json", "specs"]);
    let output = plan
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!rows.is_empty());
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let unmet = rows.iter().filter(|row| row["state"] != "run");
    unmet
        .map(|row| (text(&row["experiment"]), text(&row["why"])))
        .collect()
}

/// A command that does without verify what was not met; `None` where no common program does.
fn otherwise(why: &str) -> Option<String> {
    let Some(need) = why.strip_prefix("needs ") else {
        return Some(WORKER.to_owned());
    };
    let need = need.split(": ").next().unwrap_or_default();
    let (kind, name) = need.split_once(' ').unwrap_or((need, ""));
    Some(match (kind, name) {
        ("namespace", "network") => "unshare --net true".to_owned(),
        ("namespace", kind) => format!("unshare --{kind} --fork true"),
        ("filesystem", "overlay") => {
            in_tmpfs("mkdir l u w m; mount -t overlay overlay -o lowerdir=l,upperdir=u,workdir=w m")
        }
        ("filesystem", _) => in_tmpfs("true"),
        ("device-nodes", _) => in_tmpfs("mknod null c 1 3"),
        ("xattr", _) => in_tmpfs("setfattr -n trusted.overlay.opaque -v y ."),
        ("nftables", _) => "unshare --net nft add table ip probe".to_owned(),
        ("ipv6", _) => "test -e /proc/net/if_inet6".to_owned(),
        ("program", path) => format!("test -x {path}"),
        // The whole list of options of a mount of cgroup v1 has its controllers, as whole words.
        ("cgroup-v1", controller) => {
            format!("grep -qw ' - cgroup [^ ]* .*{controller}' /proc/self/mountinfo")
        }
        ("cgroup-v2", "") => "grep -q ' - cgroup2 ' /proc/self/mountinfo".to_owned(),
        ("subordinate-ids", _) => {
            "setpriv --reuid 65534 --regid 65534 --clear-groups true".to_owned()
        }
        _ => return None,
    })
}

/// Performs commands where nothing is left of them.
fn in_tmpfs(commands: &str) -> String {
    format!("unshare --mount sh -ec 'mount -t tmpfs none /mnt; cd /mnt; {commands}'")
}

fn succeeds(command: &str) -> bool {
    let mut shell = Command::new("sh");
    let quiet = shell
        .args(["-c", command])
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}
