//! What the kernel has as modules, and why one of them is not there. modprobe(8), modprobe.d(5), modules.dep(5)

use std::path::PathBuf;

use super::{Diagnosis, Facts};

/// Something of the kernel's that is often a module.
#[derive(Clone, Copy)]
pub struct Part<'a> {
    /// As one says it: `the link type veth`.
    pub what: &'a str,
    /// The module's name.
    pub module: &'a str,
    /// The option of the kernel's configuration.
    pub option: &'a str,
}

type Reason = fn(&Part<'_>, &Facts) -> Option<Diagnosis>;

/// Why there may be none, the ones that rule the others out first.
const REASONS: [Reason; 5] = [
    left_out,
    of_no_kernel,
    of_another_kernel,
    refused,
    not_installed,
];

/// Why the kernel does not have something.
pub fn missing(part: Part<'_>, facts: &Facts) -> Diagnosis {
    let reason = REASONS.iter().find_map(|reason| reason(&part, facts));
    reason.unwrap_or_else(|| not_loaded(&part, facts))
}

fn left_out(part: &Part<'_>, facts: &Facts) -> Option<Diagnosis> {
    facts.is_left_out(part.option).then(|| {
        Diagnosis::new(
            format!("the kernel was built without {}", part.what),
            facts.quote_configuration(part.option).into_iter().collect(),
            format!("run a kernel with {}=y or =m", part.option),
        )
    })
}

/// What shows that the kernel does not have it now.
fn absence(part: &Part<'_>, facts: &Facts) -> Vec<String> {
    let is_filesystem = part.what == part.module;
    let is_absent = is_filesystem && facts.has_filesystem(part.module) == Some(false);
    let line = is_absent.then(|| format!("/proc/filesystems: no line with {}", part.module));
    facts
        .quote_configuration(part.option)
        .into_iter()
        .chain(line)
        .collect()
}

fn of_no_kernel(part: &Part<'_>, facts: &Facts) -> Option<Diagnosis> {
    let (what, release) = (part.what, facts.release());
    let why = format!(
        "{what} is not in the kernel, and there are no modules of this kernel ({release}) to load it from"
    );
    let empty = "/lib/modules: not there, or empty".to_owned();
    facts
        .modules
        .is_empty()
        .then(|| without_modules(part, facts, why, empty))
}

fn of_another_kernel(part: &Part<'_>, facts: &Facts) -> Option<Diagnosis> {
    let (what, release) = (part.what, facts.release());
    let why = format!(
        "{what} is not in the kernel, and the modules here are those of another kernel, not of {release}"
    );
    let others = format!("/lib/modules: {}", facts.modules.join(" "));
    let is_here = facts.modules.iter().any(|name| name == release);
    (!is_here).then(|| without_modules(part, facts, why, others))
}

fn without_modules(part: &Part<'_>, facts: &Facts, why: String, modules: String) -> Diagnosis {
    let release = facts.release();
    let mut evidence = absence(part, facts);
    evidence.push(modules);
    evidence.push(format!("/proc/sys/kernel/osrelease: {release}"));
    let remedy = format!(
        "boot the kernel that was installed last, or install the modules of {release}; in a container: modprobe {} on the host",
        part.module
    );
    Diagnosis::new(why, evidence, remedy)
}

/// `install` runs a command instead of loading the module, and `blacklist` has the kernel's own requests come to nothing.
fn refused(part: &Part<'_>, facts: &Facts) -> Option<Diagnosis> {
    let refuses = |line: &str| {
        let mut words = line.split_whitespace();
        let command = words.next();
        matches!(command, Some("install" | "blacklist")) && words.next() == Some(part.module)
    };
    let mut lines = facts.modprobe.iter();
    let (file, line) = lines.find(|(_, line)| refuses(line))?;
    let mut evidence = absence(part, facts);
    evidence.push(format!("{file}: {line}"));
    Some(Diagnosis::new(
        format!(
            "{} is switched off here: modprobe was told not to load the module {}",
            part.what, part.module
        ),
        evidence,
        format!(
            "take that line out of {file} on hosts that run containers, then modprobe {}",
            part.module
        ),
    ))
}

/// A distribution may have what few hosts need in a package of its own.
fn not_installed(part: &Part<'_>, facts: &Facts) -> Option<Diagnosis> {
    let release = facts.release();
    let folder = PathBuf::from("/lib/modules").join(release);
    let list = folder.join("modules.dep");
    let named = file_of(part.module, &facts.read(&list)?);
    let there = named
        .as_ref()
        .is_some_and(|file| facts.exists(&folder.join(file)));
    let module = part.module;
    let mut evidence = absence(part, facts);
    evidence.push(match named {
        Some(file) => format!("{}: {file}, which is not there", list.display()),
        None => format!("{}: no line with {module}", list.display()),
    });
    (!there).then(|| {
        Diagnosis::new(
            format!(
                "{} is not in the kernel, and the modules of {release} that are installed here are without the module {module}",
                part.what
            ),
            evidence,
            format!(
                "install all modules of this kernel (linux-modules-extra-{release} on Ubuntu, kernel-modules and kernel-modules-extra on Fedora and RHEL), then modprobe {module}"
            ),
        )
    })
}

/// The file of a module, as modules.dep names it: `kernel/drivers/net/veth.ko.xz`.
fn file_of(module: &str, list: &str) -> Option<String> {
    let files = list.lines().filter_map(|line| line.split_once(':'));
    let is_it = |file: &str| {
        let name = file.rsplit('/').next().unwrap_or_default();
        name.split_once(".ko")
            .is_some_and(|(stem, _)| stem.replace('-', "_") == module)
    };
    files
        .map(|(file, _)| file.to_owned())
        .find(|file| is_it(file))
}

fn not_loaded(part: &Part<'_>, facts: &Facts) -> Diagnosis {
    let (what, module) = (part.what, part.module);
    let mut evidence = absence(part, facts);
    evidence.push(format!("/lib/modules: {}", facts.modules.join(" ")));
    Diagnosis::new(
        format!("{what} is not in the kernel now; its module was not loaded"),
        evidence,
        format!(
            "modprobe {module}, which says why it cannot be loaded; /etc/modules-load.d to load it at boot"
        ),
    )
}
