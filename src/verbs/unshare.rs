//! `unshare`: new namespaces, and a shell in them.

use std::path::PathBuf;

use nix::mount::{MsFlags, mount};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words};
use crate::recording::{Failure, Output};
use crate::session::{Flow, Inside, Session};
use crate::sys::namespace::{Kind, flags, make_mounts_private};
use crate::sys::process::{die_with_parent, set_name};

/// Runs a shell in new namespaces. unshare(1), unshare(2)
///
/// The shell is played: what is shown is what the kernel does with a process, and no program has to be there for it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
pub struct Unshare {
    #[arg(short, long)]
    mount: bool,
    #[arg(short, long)]
    uts: bool,
    #[arg(short, long)]
    ipc: bool,
    #[arg(short, long)]
    net: bool,
    #[arg(short, long)]
    pid: bool,
    #[arg(short = 'U', long)]
    user: bool,
    #[arg(short = 'C', long)]
    cgroup: bool,
    #[arg(short = 'T', long)]
    time: bool,
    #[arg(short, long)]
    fork: bool,
    #[arg(short = 'r', long)]
    map_root_user: bool,
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "/proc", value_name = "/proc",
          value_parser = ["/proc"])]
    mount_proc: Option<String>,
    #[arg(value_name = "SHELL", default_value = "/bin/sh")]
    shell: PathBuf,
}

impl Verb for Unshare {
    const USAGE: &'static str = "unshare [-m] [-u] [-i] [-n] [-p] [-U] [-C] [-T] [--fork] [--mount-proc[=/proc]] [--map-root-user] [SHELL]";
    const SUMMARY: &'static str = "Run the steps inside in new namespaces";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        let here = words.here();
        let unshare: Self = options(words)?;
        if unshare.kinds().is_empty() {
            return Err(LineError::new(here, "no namespace to unshare")
                .expected("expected --pid, --uts, --net, …"));
        }
        if unshare.mount_proc.is_some() && !(unshare.pid && unshare.fork) {
            return Err(LineError::new(
                here,
                "--mount-proc shows the new PID namespace only with --pid and --fork",
            )
            .expected("expected --pid --fork"));
        }
        Ok(unshare)
    }

    fn opens(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        self.enter(session, &mut |_| Flow::Continue)?;
        Ok(Output::nothing())
    }

    fn enter(&self, session: &mut Session, inside: Inside<'_>) -> Result<Flow, Failure> {
        session.in_child("unshare", |session| {
            name("unshare")?;
            self.unshare()?;
            let forks = self.fork || self.time;
            if forks {
                session.in_child("unshare", |session| self.shell(session, inside))
            } else {
                self.shell(session, inside)
            }
        })
    }
}

impl Unshare {
    fn kinds(&self) -> Vec<Kind> {
        let wanted = [
            (self.mount || self.mount_proc.is_some(), Kind::Mount),
            (self.uts, Kind::Uts),
            (self.ipc, Kind::Ipc),
            (self.pid, Kind::Pid),
            (self.net, Kind::Network),
            (self.user || self.map_root_user, Kind::User),
            (self.cgroup, Kind::Cgroup),
            (self.time, Kind::Time),
        ];
        wanted
            .into_iter()
            .filter(|(wanted, _)| *wanted)
            .map(|(_, kind)| kind)
            .collect()
    }

    fn unshare(&self) -> Result<(), Failure> {
        let kinds = self.kinds();
        let (uid, gid) = (nix::unistd::geteuid(), nix::unistd::getegid());
        nix::sched::unshare(flags(&kinds)).map_err(|errno| {
            let names: Vec<_> = kinds.iter().map(|kind| kind.name()).collect();
            Failure::errno("unshare", names.join(","), errno)
        })?;
        if self.map_root_user {
            // setgroups first: an unprivileged process may not write gid_map before (user_namespaces(7)).
            write_map("/proc/self/setgroups", "deny")?;
            write_map("/proc/self/uid_map", &format!("0 {uid} 1"))?;
            write_map("/proc/self/gid_map", &format!("0 {gid} 1"))?;
        }
        if kinds.contains(&Kind::Mount) {
            propagate_nothing()?;
        }
        Ok(())
    }

    fn shell(&self, session: &mut Session, inside: Inside<'_>) -> Result<Flow, Failure> {
        die_with_parent().map_err(|errno| Failure::errno("prctl", "", errno))?;
        let shell = self.shell.file_name().unwrap_or_default().to_string_lossy();
        name(&shell)?;
        if let Some(target) = &self.mount_proc {
            let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
            mount(
                Some("proc"),
                target.as_str(),
                Some("proc"),
                flags,
                None::<&str>,
            )
            .map_err(|errno| Failure::errno("mount", "/proc", errno))?;
        }
        Ok(inside(session))
    }
}

fn name(name: &str) -> Result<(), Failure> {
    set_name(name).map_err(|errno| Failure::errno("prctl", name, errno))
}

fn write_map(path: &str, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::io("write", path, &error))
}

/// As unshare(1) does: a mount in the new namespace must not appear in the old one.
fn propagate_nothing() -> Result<(), Failure> {
    make_mounts_private().map_err(|errno| Failure::errno("mount", "/", errno))
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd;

    use nix::errno::Errno;

    use super::*;
    use crate::sys::test_namespaces::{drop_capability, in_own_namespaces};
    use crate::sys::{mount_of, open_directory};
    use crate::verbs::tests::{parse, session};

    const CAP_SYS_ADMIN: u32 = 21;

    #[test]
    fn the_options_are_namespaces_and_a_new_proc_needs_two() {
        for (line, kinds) in [
            ("-m", &[Kind::Mount][..]),
            ("-u -i -n", &[Kind::Uts, Kind::Ipc, Kind::Network]),
            ("--pid --fork --mount-proc", &[Kind::Mount, Kind::Pid]),
            ("-U -C -T", &[Kind::User, Kind::Cgroup, Kind::Time]),
            ("-r", &[Kind::User]),
        ] {
            assert_eq!(parse::<Unshare>(line).unwrap().kinds(), kinds, "{line}");
        }
        for line in [
            "",
            "--fork",
            "--mount-proc",
            "--pid --mount-proc",
            "--fork --mount-proc",
        ] {
            assert!(parse::<Unshare>(line).is_err(), "{line}");
        }
    }

    #[test]
    fn without_steps_inside_it_is_tried_all_the_same() {
        in_own_namespaces(|| {
            let (_keep, mut session) = session();
            let unshare: Unshare = parse("--uts").unwrap();
            assert_eq!(unshare.perform(&mut session), Ok(Output::nothing()));
            drop_capability(CAP_SYS_ADMIN);
            let refused = Failure::errno("unshare", "uts", Errno::EPERM);
            assert_eq!(unshare.perform(&mut session), Err(refused));
        });
    }

    /// Whether `is_so` inside.
    fn inside(line: &str, is_so: fn() -> bool) -> Result<bool, Failure> {
        let (_keep, mut session) = session();
        let unshare: Unshare = parse(line).unwrap();
        let mut inside = |_: &mut Session| match is_so() {
            true => Flow::Continue,
            false => Flow::Stop,
        };
        let flow = unshare.enter(&mut session, &mut inside);
        flow.map(|flow| flow == Flow::Continue)
    }

    #[test]
    fn the_new_proc_holds_neither_programs_nor_devices() {
        in_own_namespaces(|| {
            let restricted = inside("--pid --fork --mount-proc", || {
                let proc = open_directory("/proc".as_ref()).unwrap();
                let options = mount_of(proc.as_fd()).unwrap().mount_options;
                ["nosuid", "nodev", "noexec"].map(|option| options.contains_key(option))
                    == [true; 3]
            });
            match restricted {
                Ok(restricted) => assert!(restricted),
                Err(failure) => eprintln!("skipped: {}", failure.text()),
            }
        });
    }

    #[test]
    fn no_mount_inside_appears_outside() {
        in_own_namespaces(|| {
            let (none, shared) = (None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED);
            mount(none, "/", none, shared, none).unwrap();
            let is_shared = || {
                let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap();
                mounts.contains(" shared:")
            };
            assert!(is_shared());
            assert_eq!(inside("--mount", is_shared), Ok(false));
        });
    }
}
