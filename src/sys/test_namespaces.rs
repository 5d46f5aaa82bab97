//! For tests that act on a real kernel: a process of their own in new network and mount namespaces.
//!
//! The test binary executes itself again, for one test only. Threads would not do: a thread cannot enter a
//! user namespace, and what one thread mounts the others see.

use std::ffi::CStr;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::{env, thread};

use nix::fcntl::{OFlag, open};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::stat::Mode;
use nix::unistd::{Gid, Uid, chown, write};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::process::{become_user, in_child};

/// Set in the process that has namespaces of its own.
const INSIDE: &str = "VERIFY_TEST_NAMESPACES";

/// Runs `body` in new network and mount namespaces with an empty /run; as an ordinary user also in a new
/// user namespace. Where the kernel forbids that, it says so on standard error and runs nothing.
pub(crate) fn in_own_namespaces(body: impl FnOnce()) {
    if env::var_os(INSIDE).is_some() {
        body();
        return;
    }
    let thread = thread::current();
    let name = thread.name().expect("libtest names threads after tests");
    match again(name).output() {
        Ok(output) => {
            let stdout = String::from_utf8_lossy(&output.stdout);
            let stderr = String::from_utf8_lossy(&output.stderr);
            let ran = output.status.success() && stdout.contains("test result: ok. 1 passed");
            assert!(ran, "{name} in its own namespaces:\n{stdout}\n{stderr}");
        }
        Err(error) => {
            // Not by eprintln!, which libtest would swallow.
            let _ = writeln!(io::stderr(), "{name}: skipped: new namespaces: {error}");
        }
    }
}

/// This program again, for the test called `name`, in namespaces of its own.
fn again(name: &str) -> Command {
    let (uid, gid) = (Uid::effective(), Gid::effective());
    let mut flags = CloneFlags::CLONE_NEWNET | CloneFlags::CLONE_NEWNS;
    if !uid.is_root() {
        flags |= CloneFlags::CLONE_NEWUSER;
    }
    let maps = [
        (c"/proc/self/setgroups", "deny".to_owned()),
        (c"/proc/self/uid_map", format!("0 {uid} 1")),
        (c"/proc/self/gid_map", format!("0 {gid} 1")),
    ];
    let program = env::current_exe().expect("the path of this test binary");
    let mut command = Command::new(program);
    command
        .args([name, "--exact", "--nocapture", "--include-ignored"])
        .env(INSIDE, "1");
    // SAFETY: between fork and exec the closure only makes system calls on values prepared before.
    unsafe {
        command.pre_exec(move || {
            unshare(flags)?;
            if flags.contains(CloneFlags::CLONE_NEWUSER) {
                maps.iter()
                    .try_for_each(|(path, map)| write_map(path, map))?;
            }
            // Here rather than in the test: where a security module forbids it, that is a reason to skip.
            private_mounts()?;
            Ok(())
        });
    }
    command
}

fn write_map(path: &CStr, map: &str) -> io::Result<()> {
    let file = open(path, OFlag::O_WRONLY | OFlag::O_CLOEXEC, Mode::empty())?;
    write(&file, map.as_bytes())?;
    Ok(())
}

fn private_mounts() -> nix::Result<()> {
    let none = None::<&CStr>;
    mount(
        none,
        c"/",
        none,
        MsFlags::MS_REC | MsFlags::MS_PRIVATE,
        none,
    )?;
    mount(
        Some(c"tmpfs"),
        c"/run",
        Some(c"tmpfs"),
        MsFlags::empty(),
        none,
    )
}

/// What `work` gives as an ordinary user, to whom `files` belong: where root does these tests, in a child process that
/// has become one.
pub(crate) fn as_ordinary_user<T: Serialize + DeserializeOwned>(
    files: &[&Path],
    work: impl FnOnce() -> T,
) -> T {
    if !Uid::effective().is_root() {
        return work();
    }
    let (user, group) = (Uid::from_raw(1000), Gid::from_raw(1000));
    for file in files {
        chown(*file, Some(user), Some(group)).unwrap();
    }
    let done = in_child(|| {
        become_user(user, group).unwrap();
        work()
    });
    done.unwrap()
}

/// Takes a capability, one of the first 32, from the calling thread: capset(2).
pub(crate) fn drop_capability(number: u32) {
    #[repr(C)]
    struct Header {
        version: u32,
        pid: i32,
    }
    const VERSION_3: u32 = 0x2008_0522;
    let header = Header {
        version: VERSION_3,
        pid: 0,
    };
    let mut sets = [[0_u32; 3]; 2];
    // SAFETY: both pointers are to live values of the sizes that version 3 asks for, see capget(2).
    let got = unsafe { libc::syscall(libc::SYS_capget, &raw const header, sets.as_mut_ptr()) };
    assert_eq!(got, 0);
    sets[0].iter_mut().for_each(|set| *set &= !(1 << number));
    // SAFETY: as above.
    let set = unsafe { libc::syscall(libc::SYS_capset, &raw const header, sets.as_ptr()) };
    assert_eq!(set, 0);
}
