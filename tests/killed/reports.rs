//! SIGKILL while reports are written.

use std::fs;

use nix::sys::signal::Signal::SIGKILL;

use super::Test;
use super::arena::{Arena, Running};
use super::full::written;
use super::moments::{Dice, rounds};

pub const TESTS: &[Test] = &[(
    "a_killed_run_leaves_no_part_of_a_report",
    a_killed_run_leaves_no_part_of_a_report,
)];

/// How many times a round: most kills hit while nothing is being written.
const KILLS: u64 = 10;

/// How many there are; in each round every second one is replaced, the others are made.
const REPORTS: usize = 30;

fn name(number: usize) -> String {
    format!("{number:02}.json")
}

fn a_killed_run_leaves_no_part_of_a_report() {
    let mut arena = Arena::new();
    let folder = arena.path("out");
    fs::create_dir(&folder).unwrap();
    arena.look_again();
    let names: Vec<_> = (0..REPORTS).map(name).collect();
    let reports = names
        .iter()
        .flat_map(|name| ["-r".to_owned(), format!("host=out/{name}")]);
    let words: Vec<_> = ["next".to_owned()].into_iter().chain(reports).collect();
    assert_eq!(arena.start(&words).end(), Some(0));
    let (mut dice, mut alive, mut left) = (Dice::new(), 0, 0);
    for _ in 0..KILLS * rounds() {
        let made = names.iter().step_by(2);
        made.for_each(|name| drop(fs::remove_file(folder.join(name))));
        let run = arena.start(&words);
        let last = 2 * dice.below(REPORTS / 2);
        alive += u32::from(wait_for(&run, &folder.join(name(last))));
        run.signal(SIGKILL);
        run.end();
        let is_hidden = |name: &&String| name.starts_with('.');
        left += written(&folder).iter().filter(is_hidden).count();
    }
    assert_eq!(arena.start(&words).end(), Some(0));
    assert_eq!(written(&folder), names);
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    assert_eq!(arena.left(), Vec::<String>::new());
    eprintln!("reports: {alive} were killed while they wrote, {left} left one for the next");
}

/// Waits until a run has made a file. Whether it is still going on.
fn wait_for(run: &Running, file: &std::path::Path) -> bool {
    while run.is_alive() && !file.exists() {
        std::hint::spin_loop();
    }
    run.is_alive()
}
