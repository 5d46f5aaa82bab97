//! The shared libraries that a program loads when it starts, found as its dynamic loader finds them, without running
//! anything: ld.so(8) of glibc and the loader of musl, for programs of any architecture.
//!
//! What a program opens later on its own with dlopen(3), such as the modules of nsswitch.conf(5), is not among them, and
//! neither is what LD_PRELOAD or /etc/ld.so.preload adds.

mod dynamic;
mod error;
mod image;
mod ld_cache;
mod ld_conf;
mod machine;
mod search;
mod system;
mod tokens;

#[cfg(test)]
mod tests;

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, OpenOptions};
use std::mem;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use object::ReadCache;

pub use error::{Cause, ElfError};
use image::Image;
use search::Object;
use system::{Libc, System};

/// A shared library that a program loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Library {
    /// The name by which it was needed first (DT_NEEDED); for the loader, its path as the program has it (PT_INTERP).
    pub name: OsString,
    /// Where the loader opens it: not normalised, possibly through symbolic links. None when it is nowhere.
    pub path: Option<PathBuf>,
}

/// All that a program loads when it starts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Closure {
    /// The loader, as the program has it (PT_INTERP); none for a static program, or for a library.
    pub loader: Option<PathBuf>,
    /// The libraries in the order of loading, each file once. The loader is one of them; static programs have none.
    pub libraries: Vec<Library>,
}

/// The libraries that the program, or library, in a file loads. A library that is nowhere is part of the answer, not an error.
///
/// # Errors
/// The file cannot be read, is a script or something else than ELF, or is damaged; or a library is, at which its
/// loader would stop too.
pub fn closure(program: &Path) -> Result<Closure, ElfError> {
    let (image, identity) = open(program)
        .and_then(read)
        .map_err(|cause| ElfError::new(program, cause))?;
    let loader = image.interpreter.clone().map(PathBuf::from);
    if loader.is_none() && image.dynamic.needed.is_empty() {
        return Ok(Closure::default());
    }
    let program = Object {
        path: program.to_owned(),
        image,
        identity,
        requester: None,
    };
    let libraries = Walk::from(program, loader.as_deref()).run()?;
    Ok(Closure { loader, libraries })
}

/// Opens a file to look at it. Opening a pipe or a terminal would wait for its other side, so it is told not to.
fn open(path: &Path) -> Result<File, Cause> {
    OpenOptions::new()
        .read(true)
        .custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY)
        .open(path)
        .map_err(Cause::Unreadable)
}

/// What a file says to the loader, and its identity. Only what is needed is read, and with read(2): a mapping would
/// kill the reader when somebody truncates the file.
fn read(file: File) -> Result<(Image, (u64, u64)), Cause> {
    let metadata = file.metadata().map_err(Cause::Unreadable)?;
    if !metadata.is_file() {
        return Err(Cause::NotRegular);
    }
    let image = Image::parse(&ReadCache::new(file))?;
    Ok((image, (metadata.dev(), metadata.ino())))
}

/// The loader, as far as a search can meet it.
struct Loader<'a> {
    path: &'a Path,
    /// None when there is no such file.
    identity: Option<(u64, u64)>,
}

/// A breadth-first walk over what is needed, which is the order in which loaders map.
struct Walk<'a> {
    system: System,
    loader: Option<Loader<'a>>,
    /// The program and the libraries found so far: what they need is looked for in turn.
    objects: Vec<Object>,
    /// The names of what is loaded, which are not searched again.
    known: HashSet<OsString>,
    libraries: Vec<Library>,
}

impl<'a> Walk<'a> {
    fn from(program: Object, loader: Option<&'a Path>) -> Self {
        let identity = |path: &Path| fs::metadata(path).ok().map(|m| (m.dev(), m.ino()));
        Self {
            system: System::of(program.image.abi, loader),
            loader: loader.map(|path| Loader {
                path,
                identity: identity(path),
            }),
            objects: vec![program],
            known: HashSet::new(),
            libraries: Vec::new(),
        }
    }

    fn run(mut self) -> Result<Vec<Library>, ElfError> {
        let mut next = 0;
        while let Some(object) = self.objects.get_mut(next) {
            for name in mem::take(&mut object.image.dynamic.needed) {
                self.need(name, next)?;
            }
            next += 1;
        }
        // Some libraries need the loader by name. If none does, the kernel starts it all the same.
        self.add_loader();
        Ok(self.libraries)
    }

    /// Adds the library of a name that an object needs, unless it is there.
    fn need(&mut self, name: OsString, requester: usize) -> Result<(), ElfError> {
        if self.known.contains(&name) {
            return Ok(());
        }
        let loader = self.loader.as_ref();
        if loader.is_some_and(|loader| self.system.is_loader(loader.path, &name)) {
            self.add_loader();
            return Ok(());
        }
        let Some(found) = self.find(&name, requester)? else {
            self.add_missing(name);
            return Ok(());
        };
        self.known.insert(name.clone());
        if loader.is_some_and(|loader| loader.identity == Some(found.identity)) {
            self.add_loader();
        } else if !self.objects.iter().any(|o| o.identity == found.identity) {
            self.add(name, found);
        }
        Ok(())
    }

    fn add(&mut self, name: OsString, found: Object) {
        // ld.so takes a library for every name that it gives itself; musl goes by names of files alone.
        if self.system.libc == Libc::Glibc {
            self.known.extend(found.image.dynamic.soname.clone());
        }
        self.libraries.push(Library {
            name,
            path: Some(found.path.clone()),
        });
        self.objects.push(found);
    }

    /// Adds a name that is nowhere. It stays unknown: another object that needs it may look elsewhere.
    fn add_missing(&mut self, name: OsString) {
        let missing = Library { name, path: None };
        if !self.libraries.contains(&missing) {
            self.libraries.push(missing);
        }
    }

    /// The library of a name. As for the loader, one of another architecture is passed over, whereas one that is
    /// no library at all is the end.
    fn find(&self, name: &OsStr, requester: usize) -> Result<Option<Object>, ElfError> {
        for path in search::candidates(&self.system, &self.objects, requester, name) {
            let Ok(file) = open(&path) else { continue };
            let (image, identity) = read(file).map_err(|cause| ElfError::new(&path, cause))?;
            if image.abi == self.objects[0].image.abi {
                return Ok(Some(Object {
                    path,
                    image,
                    identity,
                    requester: Some(requester),
                }));
            }
        }
        Ok(None)
    }

    fn add_loader(&mut self) {
        let Some(loader) = &self.loader else { return };
        let name = loader.path.as_os_str();
        if self.libraries.iter().all(|library| library.name != name) {
            self.libraries.push(Library {
                name: name.to_owned(),
                path: loader.identity.map(|_| loader.path.to_owned()),
            });
        }
    }
}
