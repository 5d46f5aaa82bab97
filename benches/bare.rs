//! The six experiments as bare system calls: what `verify run` would take if it read, compared and reported nothing.
//!
//! Each is a child process in namespaces of its own, all at once, with the CPU ratios measured by the same rule.
//! `ci/bench` compares the two as whole programs.

#![allow(clippy::unwrap_used)]

use std::fs;
use std::net::IpAddr;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use verify::measure::Verdict;
use verify::sys::busy::BusyLoop;
use verify::sys::cpu::measure_pair;
use verify::sys::elf::closure;
use verify::sys::icmp::{self, Options, PingGroupRange};
use verify::sys::netlink::{Dad, Link, Netlink};
use verify::sys::process::{exit_now, in_child, split, wait};
use verify::sys::{namespace, netns, sched};

const EXPERIMENTS: [fn(); 6] = [cpu_shares, net, chroot, overlay, pid, uts];

fn main() {
    // `cargo test --benches` is no time to measure.
    if std::env::args().any(|argument| argument == "--test") || !nix::unistd::geteuid().is_root() {
        return;
    }
    let children: Vec<_> = EXPERIMENTS
        .iter()
        .map(|experiment| match split().unwrap() {
            Some(child) => child,
            None => in_namespaces(*experiment),
        })
        .collect();
    for child in children {
        let status = wait(child).unwrap();
        assert!(
            matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)),
            "{status:?}"
        );
    }
}

fn in_namespaces(experiment: fn()) -> ! {
    use namespace::Kind::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    unshare(namespace::flags(&[Mount, Network, Uts, Ipc, Pid, Cgroup])).unwrap();
    in_child(|| {
        set_mount(None, "/", MsFlags::MS_REC | MsFlags::MS_PRIVATE);
        set_mount(Some("proc"), "/proc", MsFlags::empty());
        set_mount(Some("tmpfs"), "/run", MsFlags::empty());
        fs::create_dir("/run/netns").unwrap();
        fs::create_dir("/run/scratch").unwrap();
        std::env::set_current_dir("/run/scratch").unwrap();
        experiment();
    })
    .unwrap();
    exit_now(0)
}

fn set_mount(kind: Option<&str>, target: &str, flags: MsFlags) {
    mount(kind, target, kind, flags, None::<&str>).unwrap();
}

fn chroot() {
    let root = Path::new("newroot");
    for folder in ["bin", "lib", "lib64"] {
        fs::create_dir_all(root.join(folder)).unwrap();
    }
    for program in ["/bin/bash", "/bin/ls"] {
        let closure = closure(Path::new(program)).unwrap();
        let libraries = closure
            .libraries
            .into_iter()
            .filter_map(|library| library.path);
        for file in libraries.chain(closure.loader).chain([program.into()]) {
            let target = root.join(file.strip_prefix("/").unwrap());
            fs::create_dir_all(target.parent().unwrap()).unwrap();
            fs::copy(file, target).unwrap();
        }
    }
    let errors = fs::File::create("errors").unwrap();
    std::os::unix::fs::chroot(root).unwrap();
    std::env::set_current_dir("/").unwrap();
    let mut shell = std::process::Command::new("/bin/bash");
    shell
        .args(["-c", "pwd; ls; date"])
        .stderr(errors)
        .stdin(std::process::Stdio::piped());
    assert!(shell.output().unwrap().stdout.starts_with(b"/\nbin\n"));
}

fn pid() {
    unshare(CloneFlags::CLONE_NEWPID | CloneFlags::CLONE_NEWNS).unwrap();
    let own = in_child(|| {
        set_mount(Some("proc"), "/proc", MsFlags::empty());
        std::process::id()
    });
    assert_eq!(own, Ok(1));
}

fn uts() {
    let inner = in_child(|| {
        unshare(CloneFlags::CLONE_NEWUTS).unwrap();
        nix::unistd::sethostname("happy.life.com").unwrap();
        fs::read_link("/proc/self/ns/uts").unwrap()
    });
    assert_ne!(inner.unwrap(), fs::read_link("/proc/self/ns/uts").unwrap());
}

const TWO: Options = Options {
    count: 2,
    timeout: Duration::from_secs(1),
    scope_id: 0,
    ping_group_range: PingGroupRange::Keep,
};

fn net() {
    let folder = Path::new("/run/netns");
    netns::add(folder, "guestnet").unwrap();
    let guestnet = netns::open(folder, "guestnet").unwrap();
    let mut host = Netlink::open().unwrap();
    host.set_up("lo").unwrap();
    host.add_veth("host", "guest", None).unwrap();
    host.set_netns("guest", guestnet.as_fd()).unwrap();
    host.set_up("host").unwrap();
    host.add_address("host", "1.2.3.4/24".parse().unwrap(), Dad::Skip)
        .unwrap();
    let inside = in_child(|| {
        netns::enter(&guestnet).unwrap();
        let mut guest = Netlink::open().unwrap();
        guest.set_up("lo").unwrap();
        guest.set_up("guest").unwrap();
        guest
            .add_address("guest", "1.2.3.5/24".parse().unwrap(), Dad::Skip)
            .unwrap();
    });
    inside.unwrap();
    let deadline = Instant::now() + Duration::from_secs(3);
    host.wait_links(not_ready, deadline).unwrap();
    let target: IpAddr = "1.2.3.5".parse().unwrap();
    assert_eq!(icmp::ping(target, &TWO).unwrap().received, 2);
    let index = host.link("host").unwrap().index;
    host.subscribe_links().unwrap();
    drop(guestnet);
    netns::delete(folder, "guestnet").unwrap();
    host.wait_deleted(index, deadline).unwrap();
}

fn not_ready(links: &[Link]) -> Option<&Link> {
    let mut up = links.iter().filter(|link| link.is_up());
    up.find(|link| !link.is_operational())
}

fn overlay() {
    for folder in ["container", "image1", "image2", "work", "merge"] {
        fs::create_dir(folder).unwrap();
    }
    fs::write("image1/a", "Hello, a\n").unwrap();
    fs::write("image1/b", "Hello, b\n").unwrap();
    fs::write("image2/c", "HEllo, c\n").unwrap();
    let options = "lowerdir=image2:image1,upperdir=container,workdir=work";
    mount(
        Some("overlay"),
        "merge",
        Some("overlay"),
        MsFlags::empty(),
        Some(options),
    )
    .unwrap();
    fs::write("merge/a", "Hello, yumi\n").unwrap();
    assert_eq!(fs::read("container/a").unwrap(), b"Hello, yumi\n");
    fs::write("merge/d", "Hello, d\n").unwrap();
}

fn cpu_shares() {
    let own = format!("/sys/fs/cgroup/cpu/verify-bare-{}", std::process::id());
    let limited = format!("{own}/limit_50_percent");
    fs::create_dir(&own).unwrap();
    fs::create_dir(&limited).unwrap();
    fs::write(format!("{own}/cpu.shares"), "16384").unwrap();
    let members = |group: &str| {
        fs::OpenOptions::new()
            .write(true)
            .open(format!("{group}/tasks"))
            .unwrap()
    };
    let cpu = sched::last_allowed_cpu().unwrap();
    let (a, b) = (
        BusyLoop::start("a.out", cpu).unwrap(),
        BusyLoop::start("b.out", cpu).unwrap(),
    );
    a.attach(members(&limited)).unwrap();
    b.attach(members(&own)).unwrap();
    for (shares, ratio) in [("1024", "1:1 ±3%"), ("512", "1:2 ±3%"), ("256", "1:4 ±3%")] {
        fs::write(format!("{limited}/cpu.shares"), shares).unwrap();
        let deadline = Instant::now() + Duration::from_secs(5);
        let measured =
            measure_pair(a.pid(), b.pid(), cpu, &ratio.parse().unwrap(), deadline).unwrap();
        assert_eq!(measured.verdict, Verdict::Inside, "{ratio}");
    }
    drop((a, b));
    fs::remove_dir(limited).unwrap();
    fs::remove_dir(own).unwrap();
}
