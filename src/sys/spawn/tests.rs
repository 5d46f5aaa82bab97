//! What goes wrong before this program is executed, and what it finds open.

use std::os::fd::IntoRawFd;
use std::os::unix::fs::MetadataExt;

use nix::fcntl::{F_GETFD, F_GETFL, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sys::wait::WaitStatus;

use super::super::idmap::Range;
use super::super::process::{exit_now, pidfd_open, split, wait};
use super::*;
use crate::sys::test_namespaces::in_own_namespaces;

/// These tests again, asked for the names of none of them.
fn program(files: Vec<BorrowedFd<'_>>) -> Program<'_> {
    let arguments = [c"verify", c"--list", c"--format=terse", c"--exact", c"none"];
    Program {
        arguments: arguments.map(CStr::to_owned).to_vec(),
        files,
        namespaces: CloneFlags::empty(),
        subordinate_ids: None,
    }
}

/// Its exit status, and why it was not executed.
fn end(program: &Program<'_>) -> (i32, Option<SpawnError>) {
    let spawned = spawn(program).unwrap();
    match wait(spawned.pid) {
        Ok(WaitStatus::Exited(_, status)) => (status, spawned.failed_before_exec()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_keeps_it_from_being_executed_is_told() {
    assert_eq!(end(&program(Vec::new())), (0, None));
    let mut long = program(Vec::new());
    // One argument is at most 128 KiB: MAX_ARG_STRLEN in execve(2).
    long.arguments
        .push(CString::new(vec![b'x'; 1 << 17]).unwrap());
    // SAFETY: nobody has a descriptor of this number, and it is refused.
    let nothing = unsafe { BorrowedFd::borrow_raw(i32::MAX) };
    for (program, call, errno) in [
        (long, "execveat this program", Errno::E2BIG),
        (program(vec![nothing]), "dup", Errno::EBADF),
    ] {
        assert_eq!(end(&program), (125, Some(SpawnError { call, errno })));
    }
}

/// Each open descriptor from 3 on: its number, whether execve(2) closes it, its file.
fn open_from_3_on() -> String {
    let describe = |number| {
        // SAFETY: only asked about, and not closed.
        let file = unsafe { BorrowedFd::borrow_raw(number) };
        let flags = fcntl(file, F_GETFD).ok()?;
        let status = nix::sys::stat::fstat(file).ok()?;
        Some(format!("{number} {flags} {}\n", status.st_ino))
    };
    (FIRST_FILE..256).filter_map(describe).collect()
}

#[test]
fn files_begin_at_3_and_all_but_what_it_needs_itself_is_closed() {
    let (mut reader, writer) = std::io::pipe().unwrap();
    let [first, report, this_program] = [(); 3].map(|()| tempfile::tempfile().unwrap());
    let Some(child) = split().unwrap() else {
        for _ in 0..64 {
            std::mem::forget(writer.try_clone());
        }
        let mut plan = ChildPlan {
            _arguments: &[],
            argv: Vec::new(),
            files: vec![writer.as_raw_fd(), first.as_raw_fd()],
            report: report.as_raw_fd(),
            this_program: this_program.as_raw_fd(),
            maps: Maps::None,
        };
        plan.place_files().unwrap();
        let open = format!("{}{} {}", open_from_3_on(), plan.report, plan.this_program);
        nix::unistd::write(inherited(FIRST_FILE), open.as_bytes()).unwrap();
        exit_now(0)
    };
    let pipe = nix::sys::stat::fstat(&writer).unwrap().st_ino;
    drop(writer);
    let mut open = String::new();
    reader.read_to_string(&mut open).unwrap();
    assert_eq!(wait(child), Ok(WaitStatus::Exited(child, 0)));
    let [first, report, this_program] =
        [first, report, this_program].map(|file| file.metadata().unwrap().ino());
    let expected = format!("3 0 {pipe}\n4 0 {first}\n5 1 {report}\n6 1 {this_program}\n5 6");
    assert_eq!(open, expected);
}

#[test]
fn what_was_handed_over_does_not_go_on_to_another_program() {
    let file = tempfile::tempfile().unwrap();
    let copy = nix::unistd::dup(&file).unwrap();
    assert_eq!(fcntl(&copy, F_GETFD), Ok(0));
    let copy = inherited(copy.into_raw_fd());
    assert_eq!(fcntl(&copy, F_GETFD), Ok(libc::FD_CLOEXEC));
}

#[test]
fn a_child_whose_ids_are_not_mapped_is_ended() {
    let Some(pid) = split().unwrap() else {
        nix::unistd::pause();
        exit_now(0)
    };
    let (stage, map) = pipe2(OFlag::O_CLOEXEC).unwrap();
    let child = Spawned {
        pid,
        pidfd: pidfd_open(pid).unwrap(),
        stage,
    };
    // newuidmap(1) takes no empty range, wherever it is.
    let none = Range { first: 0, count: 0 };
    let (users, groups) = (none, none);
    let given = give_ids(&child, &SubordinateIds { users, groups }, &map);
    assert!(matches!(given, Err(SpawnFailure::Map(_))), "{given:?}");
    assert_eq!(wait(pid), Err(Errno::ECHILD));
}

#[test]
fn the_wait_for_the_maps_ends_with_a_byte_or_with_the_other_side() {
    for (bytes, answer) in [(&b"m"[..], Ok(())), (b"", Err(Errno::EPIPE))] {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).unwrap();
        nix::unistd::write(&writer, bytes).unwrap();
        let waited = wait_for_a_byte((reader.as_raw_fd(), writer.into_raw_fd()));
        assert_eq!(waited, answer);
    }
}

#[test]
fn a_map_is_written_to_a_file_that_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("uid_map");
    let name = CString::new(path.to_str().unwrap()).unwrap();
    assert_eq!(write_file(&name, b"0 1 1"), Err(Errno::ENOENT));
    std::fs::write(&path, "").unwrap();
    assert_eq!(write_file(&name, b"0 1 1"), Ok(()));
    assert_eq!(std::fs::read(&path).unwrap(), b"0 1 1");
}

#[test]
fn this_program_is_found_by_its_name_where_there_is_no_proc() {
    in_own_namespaces(|| {
        let identity = |opened: OwnedFd| File::from(opened).metadata().unwrap().ino();
        let opened = open_this_program(OFlag::O_PATH).unwrap();
        assert_eq!(fcntl(&opened, F_GETFD), Ok(libc::FD_CLOEXEC));
        assert_ne!(fcntl(&opened, F_GETFL).unwrap() & libc::O_PATH, 0);
        let by_proc = identity(opened);
        let none = None::<&str>;
        mount(Some("none"), "/proc", Some("tmpfs"), MsFlags::empty(), none).unwrap();
        assert_eq!(identity(open_this_program(OFlag::O_PATH).unwrap()), by_proc);
    });
}
