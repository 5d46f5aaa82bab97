//! Reads what `tree` printed: which files there are.

/// The paths in what `tree` printed, as from the folder that it was called in.
pub fn paths(output: &str) -> Vec<String> {
    let mut lines = output.lines();
    let root = lines.next().unwrap_or_default();
    let mut above = vec![root];
    let mut paths = Vec::new();
    for line in lines {
        let name = line.trim_start_matches(['│', ' ', '\u{a0}', '├', '└', '─']);
        let depth = (line.chars().count() - name.chars().count()) / 4;
        if depth == 0 || depth > above.len() {
            continue;
        }
        above.truncate(depth);
        above.push(name);
        paths.push(above.join("/").trim_start_matches("./").to_owned());
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_has_its_path() {
        let output = ".\n├── image1\n│   ├── a\n│   └── b\n└── work\n    └── work\n";
        assert_eq!(
            paths(output),
            ["image1", "image1/a", "image1/b", "work", "work/work"]
        );
        assert_eq!(paths("image\n└── a\n"), ["image/a"]);
        assert!(paths("tree: ENOENT: no such file or directory\n").is_empty());
        assert!(paths("").is_empty());
        // Nothing is drawn in a folder that was not listed, nor what is no line of a tree.
        assert_eq!(paths(".\n│   └── a\n└── b\n1 directory\n"), ["b"]);
    }
}
