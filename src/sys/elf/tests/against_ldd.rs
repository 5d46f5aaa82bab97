//! The same answer as ldd(1), for the programs of this host.

use std::collections::BTreeSet;
use std::io;
use std::process::Command;

use super::*;

/// Libraries as `name => path`, those that were found in order, and those that were not.
#[derive(Debug, Default, PartialEq, Eq)]
struct Listing {
    found: Vec<String>,
    missing: BTreeSet<String>,
}

impl Listing {
    /// Adds a library as ldd writes it: a name that is a path in itself is written once, and so is the loader, which
    /// ldd has at hand, whereas a library that is asked about alone, which has no PT_INTERP, finds it by name.
    fn add(&mut self, name: &str, path: Option<&str>) {
        let Some(path) = path else {
            self.missing.insert(name.to_owned());
            return;
        };
        self.found.push(match path.rsplit_once('/') {
            Some((_, file)) if file.starts_with("ld") => file.to_owned(),
            _ if name.contains('/') => path.to_owned(),
            _ => format!("{name} => {path}"),
        });
    }

    fn of(closure: Closure) -> Self {
        let mut listing = Self::default();
        for library in closure.libraries {
            let path = library.path.map(|path| path.display().to_string());
            listing.add(&library.name.to_string_lossy(), path.as_deref());
        }
        listing
    }

    /// What ldd says, without what the kernel maps itself; nothing for what it cannot read.
    fn of_ldd(program: &Path) -> io::Result<Self> {
        let output = Command::new("ldd")
            .arg(program)
            .env_remove("LD_LIBRARY_PATH")
            .env_remove("LD_PRELOAD")
            .env("LC_ALL", "C")
            .output()?;
        Ok(Self::parse(&String::from_utf8_lossy(&output.stdout)))
    }

    fn parse(text: &str) -> Self {
        let mut listing = Self::default();
        for line in text.lines().filter_map(|line| line.strip_prefix('\t')) {
            let line = line.split(" (0x").next().unwrap_or(line);
            match line.split_once(" => ") {
                Some((name, "not found")) => listing.add(name, None),
                Some((name, path)) => listing.add(name, Some(path)),
                None if line.starts_with('/') => listing.add(line, Some(line)),
                // linux-vdso.so.1, "statically linked", "not a dynamic executable".
                None => {}
            }
        }
        listing
    }
}

/// The regular files in some folders and below, links resolved: ldd takes `$ORIGIN` from the path that it is given.
fn files(folders: &[&str]) -> BTreeSet<PathBuf> {
    let below = |folder| walkdir::WalkDir::new(folder).into_iter().flatten();
    let resolved = folders.iter().flat_map(below);
    resolved
        .filter_map(|entry| entry.path().canonicalize().ok())
        .filter(|path| path.is_file())
        .collect()
}

/// Whether ldd has nothing to say of the programs of a loader, which it would have to run, or says it in musl's form.
fn is_beyond_ldd(loader: &Path) -> bool {
    !loader.exists() || loader.to_string_lossy().contains("/ld-musl-")
}

/// Compares every ELF file of a list. A difference fails the test, with both answers; a file that is damaged, or no
/// program (object files, separate debugging information), must be so to ldd too.
fn compare(programs: impl IntoIterator<Item = PathBuf>) {
    let mut differences = Vec::new();
    let (mut equal, mut damaged) = (0, 0);
    for program in programs {
        let ours = match closure(&program) {
            Ok(closure) if closure.loader.as_deref().is_some_and(is_beyond_ldd) => continue,
            Ok(closure) => Listing::of(closure),
            Err(error) if matches!(error.cause, Cause::Malformed(_)) => {
                damaged += 1;
                Listing::default()
            }
            Err(_) => continue,
        };
        let Ok(ldd) = Listing::of_ldd(&program) else {
            println!("skipped: there is no ldd");
            return;
        };
        if ours == ldd {
            equal += 1;
        } else {
            differences.push(format!("{}\n  {ours:?}\n  {ldd:?}", program.display()));
        }
    }
    println!(
        "{equal} equal, {damaged} of them damaged or no program, {} not equal",
        differences.len()
    );
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn understands_what_ldd_prints() {
    let listing = Listing::parse(
        "\tlinux-vdso.so.1 (0x00007ffc)\n\tlibm.so.6 => /lib/libm.so.6 (0x00007f20)\n\
         \tlibx.so => not found\n\t/lib64/ld-linux.so.2 (0x00007f45)\n\tstatically linked\nother\n",
    );
    assert_eq!(
        listing.found,
        ["libm.so.6 => /lib/libm.so.6", "ld-linux.so.2"]
    );
    assert_eq!(listing.missing, BTreeSet::from(["libx.so".to_owned()]));
}

#[test]
fn a_sample_of_programs_has_the_libraries_of_ldd() {
    let programs = files(&["/usr/bin"]);
    let step = (programs.len() / 40).max(1);
    compare(programs.into_iter().step_by(step));
}

#[test]
#[ignore = "a minute: every program and library of the host"]
fn every_program_has_the_libraries_of_ldd() {
    compare(files(&[
        "/usr/bin",
        "/usr/sbin",
        "/usr/lib",
        "/usr/libexec",
    ]));
}
