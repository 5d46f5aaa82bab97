//! What holds for every verb, and what is known of each before it runs.

use std::collections::BTreeMap;

use super::*;
use crate::line::split;

/// Reads a line as the verb `V` would.
pub fn parse<V: Verb>(line: &str) -> Result<V, LineError> {
    let words = split(line)?;
    whole(&mut Words::new(&words, line.chars().count()))
}

/// A session in a scratch directory of its own, which is gone when the first of the two is. Named network namespaces are
/// kept in /run, which in namespaces of a test's own is an empty one.
pub fn session() -> (tempfile::TempDir, Session) {
    let folder = tempfile::tempdir().unwrap();
    let scratch = std::fs::File::open(folder.path()).unwrap();
    let session = Session::new(scratch.into(), BTreeMap::new(), "/run".into());
    (folder, session)
}

/// A session in a scratch directory that is a mount, and the current directory, as an experiment has it: /run in
/// namespaces of a test's own.
pub fn session_in_a_mount() -> Session {
    std::env::set_current_dir("/run").unwrap();
    let scratch = std::fs::File::open("/run").unwrap();
    Session::new(scratch.into(), BTreeMap::new(), "/run/netns".into())
}

#[test]
fn the_list_is_in_the_order_of_the_alphabet() {
    assert!(VERBS.is_sorted_by_key(|about| about.name));
}

#[test]
fn usage_begins_with_the_name() {
    for about in VERBS {
        assert!(about.usage.starts_with(about.name), "{}", about.name);
    }
}

#[test]
fn what_is_wrong_with_an_option_or_an_argument_is_named() {
    let said = |line: &str| {
        let words = split(line).unwrap();
        let mut words = Words::new(&words, line.chars().count());
        let error = nested(&mut words).unwrap_err();
        (error.span, error.message, error.expected)
    };
    for (line, span, message, expected) in [
        (
            "umount",
            6..7,
            "the line ends too early",
            "expected <DIRECTORY>",
        ),
        ("readlink -n a", 9..11, "unknown option `-n`", ""),
        ("umount a b", 9..10, "`b` is one word too many", ""),
        ("id -u -g", 3..5, "`-u` cannot stand here", ""),
    ] {
        let right = (span, message.to_owned(), expected.to_owned());
        assert_eq!(said(line), right, "{line}");
    }
}

/// A line, what is known about it before it runs, and what a person types on a host when that is not the line itself.
fn known(line: &str) -> String {
    let words = split(line).unwrap();
    let mut words = Words::new(&words, line.chars().count());
    let name = words.word("a verb").unwrap().text.clone();
    let action = Action::parse(&name, &mut words).unwrap();
    let action = action.unwrap_or_else(|error| panic!("{line}: {error:?}"));
    let facts = [
        (action.prints(), "prints"),
        (action.opens(), "opens"),
        (action.measures_cpu(), "measures"),
        (action.typed(), "typed"),
    ];
    let facts = facts.iter().filter(|(is, _)| *is).map(|(_, fact)| *fact);
    let by_hand = Some(action.by_hand(line)).filter(|text| text != line);
    let by_hand = by_hand.map(|text| format!("\n  {}", text.replace('\n', "\n  ")));
    let facts: Vec<_> = facts.collect();
    let facts = facts.join(" ");
    format!("{line} ({facts}){}", by_hand.unwrap_or_default())
}

#[test]
fn what_is_known_of_each_verb_before_it_runs() {
    let lines = [
        "a.out",
        "b.out",
        "cat a",
        "cd a",
        "cgexec -g memory:a hog memory 8M",
        "cgexec -g cpu:a cat b",
        "chown 1:1 a",
        "chroot a /bin/bash",
        "connect 10.0.0.1:80",
        "cp /bin/ls a/bin/ls",
        "cp a b",
        "df a",
        "domainname",
        "domainname a",
        "echo a > b",
        "grep a b",
        "hog memory 32M",
        "hog processes 8",
        "hostname",
        "hostname a",
        "id -u",
        "ip link set lo up",
        "ip link add a type bridge",
        "ip link set lo master a",
        "ip netns exec a ping 10.0.0.1",
        "ip route add default via 10.0.0.1",
        "ip netns exec a listen 80 hello",
        "ip link",
        "ip netns ls",
        "ip netns exec a chroot b /bin/bash",
        "ip netns exec a top a.out b.out = 1:1 ±3%",
        "ldd /bin/ls",
        "listen 80 hello",
        "ls",
        "mkdir a",
        "mknod a c 1 3",
        "mount -t tmpfs none a",
        "nft add table ip a",
        "nft list tables",
        "ping 10.0.0.1",
        "ps -ef",
        "ps -e -o pid,ppid,nspid,cmd",
        "pwd",
        "readlink a",
        "rm a",
        "rmdir a",
        "run true",
        "setpriv --reuid 1 --regid 1 --clear-groups id -u",
        "setpriv --reuid 1 --regid 1 --clear-groups rm a",
        "stat -c %F a",
        "top a.out b.out = 1:1 ±3%",
        "top a.out ≤ 20% ±5% in a",
        "tree",
        "tree a",
        "umount a",
        "uname -n",
        "unshare -u /bin/bash",
        "unshare -p --fork --mount-proc /bin/bash",
    ];
    let named: std::collections::BTreeSet<_> = lines
        .iter()
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    assert!(named.into_iter().eq(names()));
    insta::assert_snapshot!(lines.map(known).join("\n"), @r#"
    a.out ()
      taskset -c 0 bash -c 'exec -a a.out bash -c "while :; do :; done"' &
    b.out ()
      taskset -c 0 bash -c 'exec -a b.out bash -c "while :; do :; done"' &
    cat a (prints typed)
    cd a (typed)
    cgexec -g memory:a hog memory 8M ()
      cgexec -g memory:a sh -c 'head -c 8388608 /dev/zero | tail'
    cgexec -g cpu:a cat b (prints)
    chown 1:1 a ()
    chroot a /bin/bash (opens)
    connect 10.0.0.1:80 (prints)
      nc 10.0.0.1 80 < /dev/null
    cp /bin/ls a/bin/ls ()
    cp a b ()
    df a (prints)
    domainname (prints)
    domainname a ()
    echo a > b ()
    grep a b (prints)
    hog memory 32M ()
      sh -c 'head -c 33554432 /dev/zero | tail'
    hog processes 8 ()
      sh -c 'for i in $(seq 8); do sleep 1 & done; wait'
    hostname (prints)
    hostname a ()
    id -u (prints)
    ip link set lo up ()
    ip link add a type bridge ()
    ip link set lo master a ()
    ip netns exec a ping 10.0.0.1 (prints)
      ip netns exec a ping -c 2 10.0.0.1
    ip route add default via 10.0.0.1 ()
    ip netns exec a listen 80 hello ()
      ip netns exec a sh -c 'while echo '\''hello'\'' | nc -lN 80; do :; done &'
    ip link (prints)
    ip netns ls (prints)
    ip netns exec a chroot b /bin/bash (opens)
    ip netns exec a top a.out b.out = 1:1 ±3% (prints measures)
      ip netns exec a top -b -n 1 -d 2 -p $(pgrep -nx a.out),$(pgrep -nx b.out)
    ldd /bin/ls (prints)
    listen 80 hello ()
      while echo 'hello' | nc -lN 80; do :; done &
    ls (prints typed)
    mkdir a (typed)
    mknod a c 1 3 ()
    mount -t tmpfs none a ()
    nft add table ip a ()
    nft list tables (prints)
    ping 10.0.0.1 (prints)
      ping -c 2 10.0.0.1
    ps -ef (prints)
    ps -e -o pid,ppid,nspid,cmd (prints)
      grep -H NSpid /proc/[0-9]*/status
    pwd (prints typed)
    readlink a (prints)
    rm a (typed)
    rmdir a (typed)
    run true (prints typed)
    setpriv --reuid 1 --regid 1 --clear-groups id -u (prints)
    setpriv --reuid 1 --regid 1 --clear-groups rm a ()
    stat -c %F a (prints)
    top a.out b.out = 1:1 ±3% (prints measures)
      top -b -n 1 -d 2 -p $(pgrep -nx a.out),$(pgrep -nx b.out)
    top a.out ≤ 20% ±5% in a (prints)
      top -b -n 1 -d 2 -p $(pgrep -nx a.out) && grep nr_throttled a/cpu.stat
    tree (prints)
    tree a (prints)
    umount a ()
    uname -n (prints)
    unshare -u /bin/bash (opens)
    unshare -p --fork --mount-proc /bin/bash (opens)
    "#);
}
