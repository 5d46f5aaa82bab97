//! `verify run --scratch DIRECTORY`: where experiments lie then, what is refused, and that nothing stays there.
//!
//! What needs a worker, root or newuidmap(1) is an ignored test where that cannot be had. What becomes of experiments on
//! file systems that containers cannot be kept on is in `tests/sabotage`, and what a killed run leaves in `tests/killed`.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, ExitCode};

use common::{answer, trial};
use libtest_mimic::Arguments;
use tempfile::TempDir;

const VERIFY: &str = env!("CARGO_BIN_EXE_verify");

/// A test, its name, and why it cannot be performed here, if that is so.
type Test = (&'static str, fn(), Option<&'static str>);

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let worker = cannot_perform();
    let root = (!nix::unistd::geteuid().is_root()).then_some("root");
    let ids = (!Path::new("/usr/bin/newuidmap").exists()).then_some("newuidmap");
    let tests: [Test; 10] = [
        (
            "without_it_each_has_a_tmpfs",
            without_it_each_has_a_tmpfs,
            worker,
        ),
        (
            "experiments_lie_where_the_caller_says",
            experiments_lie_where_the_caller_says,
            worker,
        ),
        (
            "a_program_writes_there_and_nowhere_else",
            a_program_writes_there_and_nowhere_else,
            worker,
        ),
        (
            "a_device_node_there_leads_nowhere",
            a_device_node_there_leads_nowhere,
            worker.or(root),
        ),
        (
            "a_plan_tries_what_can_be_kept_there",
            a_plan_tries_what_can_be_kept_there,
            worker.or(root),
        ),
        (
            "what_is_no_directory_is_refused",
            what_is_no_directory_is_refused,
            None,
        ),
        (
            "what_cannot_be_written_to_is_refused",
            what_cannot_be_written_to_is_refused,
            root,
        ),
        (
            "others_directories_are_refused",
            others_directories_are_refused,
            root,
        ),
        (
            "without_a_record_nothing_is_made",
            without_a_record_nothing_is_made,
            worker.or(root),
        ),
        (
            "files_of_subordinate_ids_are_removed",
            files_of_subordinate_ids_are_removed,
            worker.or(root).or(ids),
        ),
    ];
    let trials = tests.into_iter().map(|(name, test, lacks)| {
        if let Some(lacks) = lacks {
            eprintln!("skipped: {name}: needs {lacks}");
        }
        trial(name, test, lacks.is_some())
    });
    libtest_mimic::run(&arguments, trials.collect()).exit_code()
}

fn cannot_perform() -> Option<&'static str> {
    let (code, _) = answer(Command::new(VERIFY).args(["run", &Project::new("  - pwd:\n").specs()]));
    (code != 3).then_some("a worker")
}

/// A spec, and a directory for `--scratch`.
struct Project(TempDir);

impl Project {
    fn new(steps: &str) -> Self {
        let project = Self(tempfile::tempdir_in("/var/tmp").unwrap());
        let spec = format!("experiment: x\ntitle: t\nsteps:\n{steps}");
        for folder in ["specs", "storage"] {
            fs::create_dir(project.0.path().join(folder)).unwrap();
        }
        fs::write(project.0.path().join("specs/x.yaml"), spec).unwrap();
        project
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).to_str().unwrap().to_owned()
    }

    fn specs(&self) -> String {
        self.path("specs")
    }

    fn is_empty(&self) -> bool {
        fs::read_dir(self.path("storage")).unwrap().next().is_none()
    }

    fn results(&self) -> verify::results::Results {
        serde_json::from_slice(&fs::read(self.path("results.json")).unwrap()).unwrap()
    }

    /// Performs the steps, all of which must do what they declare: the session is new.
    fn perform(&self, more: &[&str]) -> String {
        let mut command = Command::new(VERIFY);
        let report = format!("json={}", self.path("results.json"));
        command
            .args(["run", &self.specs(), "-r", &report])
            .args(more)
            .env("CI", "1");
        let (code, text) = answer(&mut command);
        assert!(code == 3 && text.contains("no reviewed snapshot"), "{text}");
        text
    }

    /// The same in mounts of its own, which a shell prepares first.
    fn after(&self, prepare: &str) -> (i32, String) {
        self.command_after("run", prepare)
    }

    fn command_after(&self, verb: &str, prepare: &str) -> (i32, String) {
        let script = format!("{prepare}\nexec \"$0\" {verb} \"$1\" --scratch \"$2\"");
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-ec", &script]);
        answer(
            command
                .args([VERIFY, &self.specs(), &self.path("storage")])
                .env("CI", "1"),
        )
    }

    /// The same as an ordinary user, with a program that this one may execute.
    fn after_as_user(&self, prepare: &str) -> (i32, String) {
        let own = self.path("");
        self.after(&format!(
            "{prepare}
             cp \"$0\" {own}; set -- {own}/verify \"$1\" \"$2\"; cd /
             exec setpriv --reuid 65534 --regid 65534 --clear-groups $1 run \"$2\" --scratch \"$3\""
        ))
    }
}

fn without_it_each_has_a_tmpfs() {
    let project = Project::new("  - run: stat -f -c %T .\n");
    project.perform(&[]);
    let results = project.results();
    assert_eq!(results.host.scratch, None);
    assert_eq!(results.experiments[0].steps[0].output, "tmpfs\n");
}

fn experiments_lie_where_the_caller_says() {
    let project = Project::new("  - run: stat -c %d .\n  - pwd:\n  - df: .\n  - mkdir: -p a/b\n");
    symlink(project.path("storage"), project.path("link")).unwrap();
    let text = project.perform(&["--scratch", &project.path("link")]);
    assert!(project.is_empty());
    let results = project.results();
    let place = results.host.scratch.unwrap();
    assert_eq!(
        Path::new(&place.path),
        fs::canonicalize(project.path("storage")).unwrap()
    );
    assert!(
        text.contains(&format!(", on {place}: 1 experiment")),
        "{text}"
    );
    let outputs: Vec<_> = results.experiments[0]
        .steps
        .iter()
        .map(|step| step.output.clone())
        .collect();
    let device = fs::metadata(project.path("storage")).unwrap().dev();
    assert_eq!(outputs[0], format!("{device}\n"));
    assert_eq!(
        outputs[1..3].concat(),
        "/root\nFilesystem  Mounted on\nverify      /root\n"
    );
}

/// Of the mounts only that of the scratch directory is not read-only, and it gives no privilege. proc_pid_mountinfo(5)
fn a_program_writes_there_and_nowhere_else() {
    let project = Project::new(
        "  - run: mkdir a\n  - run: grep -vE ' ro,nosuid,nodev[, ]| /run/scratch rw,nosuid,nodev| /dev[ /]' /proc/self/mountinfo\n    fails: 1\n",
    );
    project.perform(&["--scratch", &project.path("storage")]);
    let outside = project.path("storage/made");
    let steps = format!("  - run: touch {outside}\n    fails: 1\n");
    let other = Project::new(&steps);
    other.perform(&["--scratch", &project.path("storage")]);
    assert!(project.is_empty());
}

/// As on the tmpfs: a spec must not get at the host's devices, whatever the file system lets its owner do.
fn a_device_node_there_leads_nowhere() {
    let project = Project::new(
        "  - grep: /run/scratch /proc/self/mountinfo\n  - mknod: \"null c 1 3\"\n  - cat: \"null\"\n    fails: EACCES\n",
    );
    project.perform(&["--scratch", &project.path("storage")]);
    let mounted = &project.results().experiments[0].steps[0].output;
    assert!(mounted.contains("nosuid,nodev"), "{mounted:?}");
    assert!(project.is_empty());
}

fn refused(command: &mut Command, words: &str) {
    let (code, text) = answer(command);
    assert!(
        code == 2 && text.contains(words),
        "{code}, `{words}`: {text}"
    );
    assert!(
        text.contains("help: ") && !text.contains("experiment\n"),
        "{text}"
    );
}

fn a_plan_tries_what_can_be_kept_there() {
    let project = Project::new("  - pwd:\nneeds: [xattr]\n");
    for (prepare, words) in [
        ("", "run      x\n"),
        ("mount -t ramfs none \"$2\"", "skip     x  needs xattr: "),
    ] {
        let (code, text) = project.command_after("plan", prepare);
        assert!(code == 0 && text.starts_with(words), "{code}: {text}");
        assert!(project.is_empty());
    }
}

fn what_is_no_directory_is_refused() {
    let project = Project::new("  - pwd:\n");
    for (name, words) in [
        ("absent", "absent: ENOENT"),
        ("specs/x.yaml", "x.yaml: ENOTDIR"),
    ] {
        for verb in ["run", "plan"] {
            let arguments = [verb, "--scratch", &project.path(name)];
            refused(Command::new(VERIFY).args(arguments), words);
        }
    }
}

fn what_cannot_be_written_to_is_refused() {
    let project = Project::new("  - pwd:\n");
    let (code, text) = project.after("mount -t tmpfs -o ro none \"$2\"");
    assert!(
        code == 2 && text.contains("storage: EROFS"),
        "{code}: {text}"
    );
}

fn others_directories_are_refused() {
    let project = Project::new("  - pwd:\n");
    fs::set_permissions(project.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let (code, text) = project.after_as_user("");
    assert!(
        code == 2 && text.contains("storage: EACCES"),
        "{code}: {text}"
    );
}

/// What could not be found again after a SIGKILL.
fn without_a_record_nothing_is_made() {
    let project = Project::new("  - pwd:\n");
    let read_only =
        "for d in /run /tmp /dev/shm; do mount --bind $d $d; mount -o remount,bind,ro $d; done";
    let (code, text) = project.after(read_only);
    assert!(
        code == 3 && text.contains("no directory can be made for a record"),
        "{code}: {text}"
    );
    assert!(project.is_empty());
}

fn files_of_subordinate_ids_are_removed() {
    let project = Project::new("");
    let steps = "needs: [subordinate-ids]\nsteps:\n  - mkdir: -p home/a/b\n  - chown: 1000:1000 home/a/b home .\n  - setpriv: --reuid 1000 --regid 1000 --clear-groups echo Hello > home/a/b/c\n  - pwd:\n";
    let spec = format!("experiment: x\ntitle: t\n{steps}");
    fs::write(project.path("specs/x.yaml"), spec).unwrap();
    for (name, mode) in [("", 0o755), ("storage", 0o1777)] {
        fs::set_permissions(project.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(project.path("ids"), "65534:200000:65536\n").unwrap();
    let (code, text) = project.after_as_user(&format!(
        "for f in /etc/subuid /etc/subgid; do test -e $f || : > $f; mount --bind {} $f; done",
        project.path("ids")
    ));
    assert!(
        code == 3 && text.contains("no reviewed snapshot"),
        "{code}: {text}"
    );
    assert!(project.is_empty());
}
