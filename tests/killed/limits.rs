//! Time, processes, files and memory that are not enough.

use std::fs;

use super::Test;
use super::arena::{Arena, Running};
use super::moments::{Choice, Dice, Experiments, rounds};

pub const TESTS: &[Test] = &[
    (
        "a_run_out_of_time_leaves_nothing",
        a_run_out_of_time_leaves_nothing,
    ),
    (
        "a_run_out_of_processes_leaves_nothing",
        a_run_out_of_processes_leaves_nothing,
    ),
    (
        "a_run_out_of_open_files_leaves_nothing",
        a_run_out_of_open_files_leaves_nothing,
    ),
    (
        "a_run_out_of_memory_leaves_nothing",
        a_run_out_of_memory_leaves_nothing,
    ),
    (
        "a_run_out_of_address_space_leaves_nothing",
        a_run_out_of_address_space_leaves_nothing,
    ),
];

/// What needs a bit of everything: groups, a network, a file system, processes in processes.
const PLACES: [&str; 4] = [
    "group",
    "specs/net-namespace.yaml",
    "specs/overlayfs.yaml",
    "specs/pid-namespace-twins.yaml",
];

/// The exit status of a program that the loader finds no memory for.
const NOT_LOADED: i32 = 127;

fn a_run_out_of_time_leaves_nothing() {
    let arena = Arena::new();
    let (mut dice, experiments) = (Dice::new(), Experiments::of(&arena));
    let mut short = 0;
    for round in 0..rounds() {
        let choice = experiments.choose(&mut dice);
        let limit = dice.part(choice.whole).as_millis().max(1);
        write_policy(&arena, &choice, limit);
        let mut words = choice.places.clone();
        words.extend(["--policy", "short.yaml"].map(str::to_owned));
        let status = arena.start(&words).end();
        fs::remove_file(arena.path("short.yaml")).unwrap();
        let what = format!("round {round}: {limit} ms for {:?}", choice.places);
        assert!(matches!(status, Some(0 | 3)), "{what}: {status:?}");
        assert_eq!(arena.left(), Vec::<String>::new(), "{what}");
        short += u32::from(status == Some(3));
    }
    eprintln!("time: {short} runs did not have enough");
}

fn write_policy(arena: &Arena, choice: &Choice, limit: u128) {
    let name = |place: &String| {
        let file = place.rsplit('/').next().unwrap();
        file.trim_end_matches(".yaml").to_owned()
    };
    let names: Vec<_> = choice.places.iter().map(name).collect();
    let limits: Vec<_> = names
        .iter()
        .map(|name| format!("{name}: {limit}ms"))
        .collect();
    let text = format!(
        "policy: short\ntitle: t\nrequire: [{}]\ntime-limits: {{{}}}\n",
        names.join(", "),
        limits.join(", ")
    );
    fs::write(arena.path("short.yaml"), text).unwrap();
}

/// Runs with each limit until one is enough.
///
/// A run that could end by itself must have cleaned up.
fn starve(what: &str, limits: impl Iterator<Item = u64>, run: impl Fn(&Arena, u64) -> Running) {
    let arena = Arena::new();
    let (mut killed, mut tried) = (0, 0);
    for limit in limits {
        let status = run(&arena, limit).end();
        tried += 1;
        arena.settle();
        let case = format!("{limit} {what}: {status:?}");
        assert!(matches!(status, None | Some(0..=3 | NOT_LOADED)), "{case}");
        match status {
            Some(_) => assert_eq!(arena.left(), Vec::<String>::new(), "{case}"),
            None => killed += 1,
        }
        arena.start_next(&case);
        if status == Some(0) {
            return eprintln!("{what}: {tried} limits, {killed} runs were killed");
        }
    }
    panic!("{what}: none was enough");
}

/// A limit of cgroup v1 on the whole arena, which is gone when the run is.
fn in_group(arena: &Arena, (controller, file): (&str, &str), limit: u64) -> Running {
    let file = arena.group(controller).join(file);
    fs::write(&file, limit.to_string()).unwrap();
    let run = arena.start(&PLACES);
    run.wait();
    arena.settle();
    fs::write(&file, "-1")
        .or_else(|_| fs::write(&file, "max"))
        .unwrap();
    run
}

fn a_run_out_of_processes_leaves_nothing() {
    let limit = ("pids", "pids.max");
    starve("processes", 1..64, |arena, count| {
        in_group(arena, limit, count)
    });
}

fn a_run_out_of_memory_leaves_nothing() {
    let limit = ("memory", "memory.limit_in_bytes");
    let sizes = (1..64).map(|step| step << 20);
    starve("bytes of memory", sizes, |arena, bytes| {
        in_group(arena, limit, bytes)
    });
}

fn with_resource_limit(arena: &Arena, limit: &str, value: u64) -> Running {
    // What has to be removed there takes descriptors and memory, too.
    let scratch = arena.scratch();
    let scratch = scratch.iter().map(String::as_str);
    let words: Vec<_> = ["run"].into_iter().chain(PLACES).chain(scratch).collect();
    let mut command = arena.command(&words);
    Running::start(command.env("LIMIT", format!("ulimit {limit} {value}")))
}

fn a_run_out_of_open_files_leaves_nothing() {
    starve("open files", 3..200, |arena, count| {
        with_resource_limit(arena, "-n", count)
    });
}

fn a_run_out_of_address_space_leaves_nothing() {
    let sizes = (8..512).map(|step| step * 512);
    starve("KiB of addresses", sizes, |arena, size| {
        with_resource_limit(arena, "-v", size)
    });
}
