//! A group of cgroup v2 that was delegated to the run, which leaves it and has it pass controllers on.

use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use verify::host::Host;
use verify::sys::cgroup::V2_CONTROLLERS;
use verify::sys::{cgroupfs, xattr};

use super::arena::Arena;
use super::kills::Victims;
use super::moments::{Dice, rounds};

const NAME: &str = "a_delegated_group_is_as_it_was";

pub fn trial(unfit: bool) -> Trial {
    let controller = controller();
    if controller.is_none() {
        eprintln!("skipped: {NAME}: the own group of cgroup v2 has no controller to pass on");
    }
    let unfit = unfit || controller.is_none();
    let run = move || {
        a_delegated_group_is_as_it_was(&controller.unwrap());
        Ok(())
    };
    Trial::test(NAME, run).with_ignored_flag(unfit)
}

/// A controller that the own group can pass on, or does.
fn controller() -> Option<String> {
    let own = Host::look().cgroups.v2?.lineage.swap_remove(0).path;
    let mut found = cgroupfs::controllers(&own, "cgroup.controllers");
    found.retain(|name| V2_CONTROLLERS.contains(&name.as_str()));
    let mut possible = found.into_iter();
    possible.find(|name| PassedOn::from(&own, name).is_some())
}

/// A controller that a group passes on, until this is dropped.
struct PassedOn {
    control: PathBuf,
    before: Vec<String>,
    controller: String,
}

impl PassedOn {
    fn from(group: &Path, controller: &str) -> Option<Self> {
        let control = group.join("cgroup.subtree_control");
        let before = cgroupfs::controllers(group, "cgroup.subtree_control");
        fs::write(&control, format!("+{controller}")).ok()?;
        Some(Self {
            control,
            before,
            controller: controller.to_owned(),
        })
    }
}

impl Drop for PassedOn {
    fn drop(&mut self) {
        if !self.before.contains(&self.controller) {
            fs::write(&self.control, format!("-{}", self.controller)).unwrap();
        }
    }
}

fn a_delegated_group_is_as_it_was(controller: &str) {
    let own = Host::look().cgroups.v2.unwrap().lineage.swap_remove(0).path;
    let _passed_on = PassedOn::from(&own, controller).unwrap();
    let mut arena = Arena::new();
    xattr::write(arena.unified().unwrap(), "trusted.delegate", b"1").unwrap();
    write_spec(&arena, controller);
    arena.look_again();
    let mut dice = Dice::new();
    let started = std::time::Instant::now();
    assert_eq!(arena.start(&["delegated", "group"]).end(), Some(3));
    let whole = started.elapsed();
    let (mut alive, mut left) = (0, 0);
    for round in 0..rounds() {
        let victims = Victims::any(&mut dice);
        let run = arena.start(&["delegated", "group", "-j", ["1", "2"][dice.below(2)]]);
        alive += u32::from(dice.wait(&run, whole));
        victims.kill(&arena, &run);
        run.end();
        arena.settle();
        let what = format!("kill {round} of {victims:?}");
        let found = arena.left();
        left += u32::from(!found.is_empty());
        let passed_on = found.iter().any(|what| what.starts_with("passed on"));
        assert!(
            victims == Victims::Everybody || !passed_on,
            "{what} left {found:?}"
        );
        arena.start_next(&what);
    }
    eprintln!("delegated: {alive} were killed alive, {left} left something for the next start");
}

/// The session is new, and the run therefore undecided.
fn write_spec(arena: &Arena, controller: &str) {
    let text = format!(
        "experiment: delegated\ntitle: t\nneeds: [cgroup-v2 {controller}]\nsteps:\n  \
         - cat: /sys/fs/cgroup/cgroup.controllers\n  - run: /bin/sleep 0.02\n"
    );
    fs::create_dir(arena.path("delegated")).unwrap();
    fs::write(arena.path("delegated/delegated.yaml"), text).unwrap();
}
