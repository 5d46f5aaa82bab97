//! Whole searches, over small files in a folder of their own.

mod against_ldd;
mod damage;
pub(super) mod fixture;
mod order;
mod paths;

use std::os::unix::fs::symlink;

use tempfile::TempDir;

use super::*;
use fixture::Elf;

/// A folder of ELF files.
struct Root {
    folder: PathBuf,
    _kept: TempDir,
}

impl Root {
    fn new() -> Self {
        let kept = tempfile::tempdir().expect("a folder");
        Self {
            folder: kept.path().canonicalize().unwrap(),
            _kept: kept,
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> &Self {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
        self
    }

    fn elf(&self, name: &str, elf: &Elf) -> &Self {
        self.write(name, &elf.build())
    }

    fn link(&self, name: &str, target: &str) -> &Self {
        fs::create_dir_all(self.path(name).parent().unwrap()).unwrap();
        symlink(self.path(target), self.path(name)).unwrap();
        self
    }

    /// The libraries of a program as `name => path below the folder`, without the loader.
    fn libraries(&self, program: &str) -> Vec<String> {
        let closure = closure(&self.path(program)).expect("a closure");
        let below = |path: PathBuf| {
            let path = path
                .strip_prefix(&self.folder)
                .map(Path::to_owned)
                .unwrap_or(path);
            path.display().to_string()
        };
        let loader = closure.loader.clone().map(OsString::from);
        let libraries = closure.libraries.into_iter();
        libraries
            .filter(|library| Some(&library.name) != loader.as_ref())
            .map(|library| {
                let path = library.path.map_or("not found".to_owned(), below);
                format!("{} => {path}", library.name.display())
            })
            .collect()
    }

    fn error(&self, program: &str) -> ElfError {
        closure(&self.path(program)).expect_err("an error")
    }
}

/// A program for the loader of this host's glibc, if it has one.
fn program() -> Elf {
    Elf::new().interpreter("/lib64/ld-linux-x86-64.so.2")
}
