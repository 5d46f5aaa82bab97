//! The folders that a host adds to the loader's own: ld.so.conf of ldconfig(8), and musl's ld-musl-ARCH.path.

use std::fs;
use std::path::{Path, PathBuf};

/// How deep files include files. ldconfig has no limit, and a file that includes itself has no end.
const DEEPEST_INCLUDE: usize = 8;

/// The folders of an ld.so.conf and of all that it includes, in their order; none when it cannot be read.
pub(super) fn directories(conf: &Path) -> Vec<PathBuf> {
    let mut directories = Vec::new();
    collect(conf, DEEPEST_INCLUDE, &mut directories);
    directories
}

fn collect(conf: &Path, deeper: usize, directories: &mut Vec<PathBuf>) {
    let Ok(text) = fs::read(conf) else { return };
    let folder = conf.parent().unwrap_or(Path::new("/"));
    for line in parse(&String::from_utf8_lossy(&text)) {
        match line {
            Line::Directory(path) => directories.push(path),
            Line::Include(pattern) if deeper > 0 => {
                for path in glob(&folder.join(pattern)) {
                    collect(&path, deeper - 1, directories);
                }
            }
            Line::Include(_) => {}
        }
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Line {
    Directory(PathBuf),
    /// A pattern, relative to the folder of the file.
    Include(PathBuf),
}

/// The lines of an ld.so.conf that say something: `#` starts a comment, `hwcap` has had no effect for long, and a
/// folder may end in `=TYPE`, likewise.
fn parse(text: &str) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim();
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            None | Some("hwcap") => {}
            Some("include") => lines.extend(words.map(|word| Line::Include(word.into()))),
            Some(_) => {
                let folder = line.split('=').next().unwrap_or_default().trim_end();
                lines.push(Line::Directory(folder.into()));
            }
        }
    }
    lines
}

/// The files that a pattern names, sorted as glob(3) does. Wildcards stand in the last component only, which is
/// where every distribution has them.
fn glob(pattern: &Path) -> Vec<PathBuf> {
    let (Some(folder), Some(name)) = (pattern.parent(), pattern.file_name()) else {
        return Vec::new();
    };
    let name = name.as_encoded_bytes();
    if !name.contains(&b'*') && !name.contains(&b'?') {
        return vec![pattern.to_owned()];
    }
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.file_name())
        .filter(|entry| matches(name, entry.as_encoded_bytes()))
        .map(|entry| folder.join(entry))
        .collect();
    paths.sort();
    paths
}

/// Whether a file's name fits a pattern of `*`, `?` and literal bytes. A leading dot must be written, as for a shell.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    if name.starts_with(b".") && !pattern.starts_with(b".") {
        return false;
    }
    let (mut p, mut n) = (0, 0);
    // Where to go on when the literal after the last star did not fit: one byte further in the name.
    let mut retry = None;
    loop {
        match (pattern.get(p), name.get(n)) {
            (None, None) => return true,
            (Some(b'*'), _) => {
                retry = Some((p, n + 1));
                p += 1;
            }
            (Some(expected), Some(byte)) if expected == byte || *expected == b'?' => {
                p += 1;
                n += 1;
            }
            _ => match retry {
                Some((star, next)) if next <= name.len() => (p, n) = (star, next),
                _ => return false,
            },
        }
    }
}

/// The folders in an ld-musl-ARCH.path: divided by colons or line ends, empty ones ignored, nothing is a comment.
pub(super) fn parse_musl_path(text: &str) -> Vec<PathBuf> {
    let folders = text.split([':', '\n']).filter(|folder| !folder.is_empty());
    folders.map(PathBuf::from).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_folders_includes_and_comments() {
        let text = "# multiarch\n\n  /usr/local/lib # ours\n/opt/a lib/ \ninclude a/*.conf b.conf\n\
                    hwcap 1 nosegneg\n/lib/old=libc5\ninclude\n/includes";
        let directory = |path: &str| Line::Directory(path.into());
        let expected = [
            directory("/usr/local/lib"),
            directory("/opt/a lib/"),
            Line::Include("a/*.conf".into()),
            Line::Include("b.conf".into()),
            directory("/lib/old"),
            directory("/includes"),
        ];
        assert_eq!(parse(text), expected);
    }

    #[test]
    fn follows_includes_in_order_and_not_for_ever() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(root.path().join(name), text).unwrap();
        fs::create_dir(root.path().join("d")).unwrap();
        write(
            "ld.so.conf",
            "/first\ninclude d/*.conf\ninclude none.conf\ninclude d/?.txt\n/last",
        );
        write("d/2.conf", "/two");
        write("d/1.conf", "/one\ninclude 3.txt");
        write("d/3.txt", "/three");
        write("d/.hidden.conf", "/hidden");
        write("loop.conf", "/again\ninclude loop.conf");
        let read = |name: &str| directories(&root.path().join(name));
        let expected = ["/first", "/one", "/three", "/two", "/three", "/last"];
        assert_eq!(read("ld.so.conf"), expected.map(PathBuf::from));
        assert_eq!(read("loop.conf").len(), DEEPEST_INCLUDE + 1);
        assert!(read("none").is_empty());
    }

    #[test]
    fn matches_as_a_shell_does() {
        for (pattern, name) in [
            ("*.conf", "libc.conf"),
            ("*", "a"),
            ("*", ""),
            ("a*b*c", "a-b-b-c"),
            ("?.conf", "a.conf"),
            ("*?", "ab"),
            (".*", ".a"),
        ] {
            assert!(
                matches(pattern.as_bytes(), name.as_bytes()),
                "{pattern} {name}"
            );
        }
        for (pattern, name) in [
            ("*.conf", "libc.conf.bak"),
            ("?.conf", "ab.conf"),
            ("*", ".a"),
            ("a*b", "a"),
            ("", "a"),
            ("*?", ""),
        ] {
            assert!(
                !matches(pattern.as_bytes(), name.as_bytes()),
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn reads_both_separators_of_musl() {
        let folders = parse_musl_path("/lib:/usr/local/lib\n\n/usr/lib\n:");
        let expected = ["/lib", "/usr/local/lib", "/usr/lib"];
        assert_eq!(folders, expected.map(PathBuf::from));
    }
}
