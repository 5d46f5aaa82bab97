//! /etc/ld.so.cache: the libraries that ldconfig(8) found, by name.
//!
//! The format is glibc's `sysdeps/generic/dl-cache.h`, in the byte order of the host. Libraries of every architecture
//! and ABI stand in one table; the flags that tell them apart are numbers of one architecture each, so the opened
//! file is asked instead.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The header up to glibc 2.31, with a table of its own that is older than 64-bit offsets and ends where today's begins.
const OLD_MAGIC: &[u8] = b"ld.so-1.7.0";
const OLD_HEADER: usize = 16;
const OLD_ENTRY: usize = 12;

const MAGIC: &[u8] = b"glibc-ld.so.cache1.1";
const HEADER: usize = 48;
const ENTRY: usize = 24;

/// No distribution's cache comes near to it, in bytes; a larger file is none.
const LARGEST: u64 = 16 * 1024 * 1024;

/// The table, as it stands in the file.
#[derive(Debug, Clone, Default)]
pub(super) struct Cache {
    /// The file from its header on, which is where offsets count from.
    bytes: Vec<u8>,
    /// How many entries follow the header.
    entries: usize,
}

impl Cache {
    /// The cache in this file; none when it cannot be read or is no cache, where the loader does without it too.
    pub fn load(path: &Path) -> Option<Self> {
        let file = File::open(path).ok()?;
        let size = file.metadata().ok()?.len();
        let mut bytes = Vec::with_capacity(usize::try_from(size.min(LARGEST)).ok()?);
        file.take(LARGEST).read_to_end(&mut bytes).ok()?;
        Self::parse(bytes)
    }

    /// The cache in these bytes.
    pub fn parse(mut bytes: Vec<u8>) -> Option<Self> {
        if bytes.starts_with(OLD_MAGIC) {
            let count = number(&bytes, OLD_HEADER - 4)?;
            let end = count.checked_mul(OLD_ENTRY)?.checked_add(OLD_HEADER)?;
            // Aligned for a 64-bit number, which is 4 on some architectures and 8 on others.
            let start = [end.next_multiple_of(4), end.next_multiple_of(8)]
                .into_iter()
                .find(|start| bytes.get(*start..).is_some_and(|b| b.starts_with(MAGIC)))?;
            bytes.drain(..start);
        }
        if !bytes.starts_with(MAGIC) {
            return None;
        }
        let entries = number(&bytes, MAGIC.len())?;
        let fits = bytes.len().checked_sub(HEADER)? / ENTRY;
        (entries <= fits).then_some(Self { bytes, entries })
    }

    /// The paths under a name, in the loader's order. Variants for CPU features (glibc-hwcaps) are left out: the
    /// library itself runs on every CPU of its architecture, and it is what a copy without the variants loads.
    pub fn lookup<'a>(&'a self, name: &'a OsStr) -> impl Iterator<Item = PathBuf> + 'a {
        let table = self.bytes.get(HEADER..).unwrap_or_default();
        table
            .chunks_exact(ENTRY)
            .take(self.entries)
            .filter(|entry| entry[16..24] == [0; 8])
            .filter(move |entry| self.is_string(entry, 4, name.as_bytes()))
            .filter_map(|entry| self.string(entry, 8))
            .map(PathBuf::from)
    }

    /// Whether the string at the offset in `entry[field..]` is this one.
    fn is_string(&self, entry: &[u8], field: usize, wanted: &[u8]) -> bool {
        let rest = number(entry, field).and_then(|offset| self.bytes.get(offset..));
        let rest = rest.and_then(|bytes| bytes.strip_prefix(wanted));
        rest.is_some_and(|bytes| bytes.first() == Some(&0))
    }

    fn string(&self, entry: &[u8], field: usize) -> Option<OsString> {
        let bytes = self.bytes.get(number(entry, field)?..)?;
        let length = bytes.iter().position(|byte| *byte == 0)?;
        Some(OsString::from_vec(bytes[..length].to_owned()))
    }
}

/// The 32-bit number at an offset.
fn number(bytes: &[u8], at: usize) -> Option<usize> {
    let bytes = bytes.get(at..)?.first_chunk()?;
    usize::try_from(u32::from_ne_bytes(*bytes)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A cache of (name, path, hwcap).
    fn cache(entries: &[(&str, &str, u64)]) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        bytes.extend(u32::try_from(entries.len()).unwrap().to_ne_bytes());
        bytes.resize(HEADER, 0);
        let mut strings = Vec::new();
        let start = HEADER + entries.len() * ENTRY;
        for (name, path, hwcap) in entries {
            let mut place = |text: &str| {
                let at = u32::try_from(start + strings.len()).unwrap();
                strings.extend_from_slice(text.as_bytes());
                strings.push(0);
                at.to_ne_bytes()
            };
            bytes.extend([3, 3, 0, 0]);
            bytes.extend(place(name));
            bytes.extend(place(path));
            bytes.extend([0; 4]);
            bytes.extend(hwcap.to_ne_bytes());
        }
        bytes.extend(strings);
        bytes
    }

    fn found(bytes: Vec<u8>, name: &str) -> Vec<String> {
        let cache = Cache::parse(bytes).expect("a cache");
        let paths = cache.lookup(OsStr::new(name));
        paths.map(|path| path.display().to_string()).collect()
    }

    const LIBRARIES: &[(&str, &str, u64)] = &[
        (
            "libz.so.1",
            "/lib/glibc-hwcaps/x86-64-v3/libz.so.1",
            1 << 62,
        ),
        ("libz.so.1", "/lib64/libz.so.1", 0),
        ("libz.so.1", "/lib32/libz.so.1", 0),
        ("libz.so.10", "/lib64/libz.so.10", 0),
    ];

    #[test]
    fn finds_a_whole_name_in_order_and_without_cpu_variants() {
        let expected = ["/lib64/libz.so.1", "/lib32/libz.so.1"];
        assert_eq!(found(cache(LIBRARIES), "libz.so.1"), expected);
        assert!(found(cache(LIBRARIES), "libz.so").is_empty());
        assert!(found(cache(LIBRARIES), "").is_empty());
        let mut shorter = cache(LIBRARIES);
        shorter[MAGIC.len()..][..4].copy_from_slice(&3_u32.to_ne_bytes());
        assert!(found(shorter, "libz.so.10").is_empty());
    }

    #[test]
    fn is_read_from_a_file_that_is_one() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let cache = Cache::load(&write("ld.so.cache", &cache(LIBRARIES))).unwrap();
        let mut found = cache.lookup(OsStr::new("libz.so.10"));
        assert_eq!(found.next(), Some("/lib64/libz.so.10".into()));
        assert!(Cache::load(&write("ld.so.conf", b"/lib64\n")).is_none());
        assert!(Cache::load(&folder.path().join("absent")).is_none());
    }

    #[test]
    fn finds_the_table_behind_an_old_one() {
        for (count, padding) in [(0_u32, 0), (1, 0), (1, 4), (2, 0)] {
            let mut bytes = OLD_MAGIC.to_vec();
            bytes.push(0);
            bytes.extend(count.to_ne_bytes());
            bytes.resize(OLD_HEADER + OLD_ENTRY * count as usize + padding, 0);
            bytes.extend(cache(LIBRARIES));
            assert_eq!(found(bytes, "libz.so.10"), ["/lib64/libz.so.10"]);
        }
    }

    #[test]
    fn is_none_or_harmless_when_damaged() {
        let whole = cache(LIBRARIES);
        for length in 0..whole.len() {
            if let Some(cache) = Cache::parse(whole[..length].to_vec()) {
                cache.lookup(OsStr::new("libz.so.1")).for_each(drop);
            }
        }
        let table = HEADER + ENTRY * LIBRARIES.len();
        assert!((0..table).all(|length| Cache::parse(whole[..length].to_vec()).is_none()));
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] = 0xff;
            if let Some(cache) = Cache::parse(bytes) {
                cache.lookup(OsStr::new("libz.so.1")).for_each(drop);
            }
        }
        assert!(Cache::parse(b"ld.so-1.7.0\0\xff\xff\xff\xff".to_vec()).is_none());
    }
}
