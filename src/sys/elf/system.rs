//! Where the loaders themselves look: the folders built into them, and what a host's files add.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use super::image::Abi;
use super::ld_cache::Cache;
use super::ld_conf;
use super::machine;

/// The part of a search that is the same for every object of a program.
#[derive(Debug)]
pub(super) struct System {
    /// Whose rules hold.
    pub libc: Libc,
    /// /etc/ld.so.cache, which comes before the folders.
    pub cache: Option<Cache>,
    /// The folders searched last, in order.
    pub directories: Vec<PathBuf>,
    /// What `$LIB` may stand for, in the order of trying. Each build of the loader has one of them, and does not tell.
    pub lib: Vec<PathBuf>,
    /// What `$PLATFORM` stands for: AT_PLATFORM of getauxval(3).
    pub platform: Option<&'static str>,
}

/// The two loaders of Linux distributions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Libc {
    /// ld.so(8).
    Glibc,
    /// `ldso/dynlink.c` of musl; its loader and its libraries are one file.
    Musl,
}

impl System {
    /// What the loader of a program looks at on this host.
    pub fn of(abi: Abi, loader: Option<&Path>) -> Self {
        match loader.and_then(musl_architecture) {
            Some((prefix, architecture)) => Self::musl(prefix, architecture),
            None => Self::glibc(
                abi,
                loader,
                Cache::load(Path::new("/etc/ld.so.cache")),
                Path::new("/etc/ld.so.conf"),
            ),
        }
    }

    fn musl(prefix: &Path, architecture: &str) -> Self {
        let path = prefix.join(format!("etc/ld-musl-{architecture}.path"));
        let text = match fs::read(path) {
            Ok(text) => String::from_utf8_lossy(&text).into_owned(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                "/lib:/usr/local/lib:/usr/lib".into()
            }
            Err(_) => String::new(),
        };
        Self {
            libc: Libc::Musl,
            cache: None,
            directories: ld_conf::parse_musl_path(&text),
            lib: Vec::new(),
            platform: None,
        }
    }

    fn glibc(abi: Abi, loader: Option<&Path>, cache: Option<Cache>, conf: &Path) -> Self {
        let mut directories = match cache {
            Some(_) => Vec::new(),
            // Without a cache the folders that it would have been made of are the best there is.
            None => ld_conf::directories(conf),
        };
        directories.extend(machine::directories(abi));
        // A loader outside these folders was built with its own as the default (Nix, Guix, crosstool).
        let real = loader.and_then(|path| fs::canonicalize(path).ok());
        directories.extend(real.and_then(|path| Some(path.parent()?.to_owned())));
        Self {
            libc: Libc::Glibc,
            cache,
            directories,
            lib: machine::lib(abi),
            platform: machine::platform(abi),
        }
    }

    /// Whether a needed name means the loader itself.
    pub fn is_loader(&self, loader: &Path, name: &OsStr) -> bool {
        let itself = name == loader.as_os_str();
        match self.libc {
            Libc::Glibc => itself || Some(name) == loader.file_name(),
            Libc::Musl => itself || is_part_of_musl(name.as_encoded_bytes()),
        }
    }
}

/// The prefix and the architecture in the path of a musl loader, `PREFIX/lib/ld-musl-ARCH.so.1`.
fn musl_architecture(loader: &Path) -> Option<(&Path, &str)> {
    let name = loader.file_name()?.to_str()?;
    let architecture = name.strip_prefix("ld-musl-")?.strip_suffix(".so.1")?;
    Some((loader.parent()?.parent()?, architecture))
}

/// Whether a name is one of the libraries that musl has inside its loader, of whatever version.
fn is_part_of_musl(name: &[u8]) -> bool {
    let Some(stem) = name.strip_prefix(b"lib") else {
        return false;
    };
    ["c.", "pthread.", "rt.", "m.", "dl.", "util.", "xnet."]
        .iter()
        .any(|part| stem.starts_with(part.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::super::machine::tests::X86_64;
    use super::*;

    #[test]
    fn takes_the_cache_for_the_folders_that_it_is_made_of() {
        let root = tempfile::tempdir().unwrap();
        let conf = root.path().join("ld.so.conf");
        fs::write(&conf, "/opt/lib").unwrap();
        let directories = |cache| System::glibc(X86_64, None, cache, &conf).directories;
        let mut expected = machine::directories(X86_64);
        assert_eq!(directories(Some(Cache::default())), expected);
        expected.insert(0, "/opt/lib".into());
        assert_eq!(directories(None), expected);
    }

    #[test]
    fn adds_the_folder_of_a_loader_elsewhere() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().canonicalize().unwrap();
        fs::write(folder.join("ld-linux.so.2"), "").unwrap();
        let system = System::of(X86_64, Some(&folder.join("ld-linux.so.2")));
        assert_eq!(system.directories.last(), Some(&folder));
    }

    #[test]
    fn tells_musl_by_the_name_of_its_loader() {
        let parts = musl_architecture(Path::new("/lib/ld-musl-x86_64.so.1"));
        assert_eq!(parts, Some((Path::new("/"), "x86_64")));
        let parts = musl_architecture(Path::new("/opt/m/lib/ld-musl-armhf.so.1"));
        assert_eq!(parts, Some((Path::new("/opt/m"), "armhf")));
        assert_eq!(musl_architecture(Path::new("/lib64/ld-linux.so.2")), None);
        assert_eq!(musl_architecture(Path::new("ld-musl-x.so.1")), None);
    }

    #[test]
    fn reads_the_path_file_below_the_prefix_of_musl() {
        let root = tempfile::tempdir().unwrap();
        let loader = root.path().join("lib/ld-musl-x.so.1");
        let directories = || System::of(X86_64, Some(&loader)).directories;
        let default = ["/lib", "/usr/local/lib", "/usr/lib"].map(PathBuf::from);
        assert_eq!(directories(), default);
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/ld-musl-x.path"), "/a\n/b:/c\n").unwrap();
        assert_eq!(directories(), ["/a", "/b", "/c"].map(PathBuf::from));
        fs::remove_file(root.path().join("etc/ld-musl-x.path")).unwrap();
        fs::create_dir(root.path().join("etc/ld-musl-x.path")).unwrap();
        assert!(directories().is_empty());
    }

    #[test]
    fn knows_the_names_of_the_loader_itself() {
        let musl = System::musl(Path::new("/none"), "x");
        let loader = Path::new("/lib/ld-musl-x.so.1");
        for name in [
            "libc.so",
            "libc.musl-x86_64.so.1",
            "libm.so.6",
            "/lib/ld-musl-x.so.1",
        ] {
            assert!(musl.is_loader(loader, name.as_ref()), "{name}");
        }
        for name in ["libcrypt.so.1", "libmvec.so", "libc", "c.so"] {
            assert!(!musl.is_loader(loader, name.as_ref()), "{name}");
        }
        let glibc = System::of(X86_64, None);
        let loader = Path::new("/lib64/ld-linux-x86-64.so.2");
        assert!(glibc.is_loader(loader, "ld-linux-x86-64.so.2".as_ref()));
        assert!(!glibc.is_loader(loader, "libc.so.6".as_ref()));
    }
}
