//! `verify explain`

use std::fmt::Write as _;
use std::io::Write as _;

use super::Stop;
use super::select::Selection;
use crate::spec::{Spec, Step};

/// Prints experiments as commands that a person can paste on a host.
///
/// # Errors
/// The experiments cannot be read, or standard output cannot be written.
pub fn explain(selection: &Selection) -> Result<(), Stop> {
    let catalog = selection.catalog()?;
    let texts: Vec<_> = catalog
        .entries
        .iter()
        .map(|entry| by_hand(&entry.spec))
        .collect();
    std::io::stdout().write_all(texts.join("\n").as_bytes())?;
    Ok(())
}

fn by_hand(spec: &Spec) -> String {
    let mut text = format!("# {}: {}\n", spec.experiment, spec.title);
    for need in &spec.needs {
        let _ = writeln!(text, "# needs {need}");
    }
    text.push_str("# as root, on a host for trying things out: this is not undone by itself\n");
    text.push_str("cd \"$(mktemp -d)\"  # with --scratch DIRECTORY: mktemp -d -p DIRECTORY\n");
    commands(&spec.steps, 0, &mut text);
    text
}

fn commands(steps: &[Step], depth: usize, text: &mut String) {
    for step in steps {
        let line = step.action.by_hand(&step.text);
        let comment = step.fails.as_ref().map_or(String::new(), |expected| {
            format!("  # must fail: {expected}")
        });
        if step.inside.is_empty() {
            let _ = writeln!(text, "{line}{comment}");
            continue;
        }
        // Each depth has a mark of its own, so that the inner text does not end the outer one.
        let mark = format!("INSIDE{}", depth + 1);
        let _ = writeln!(text, "{line} <<'{mark}'");
        commands(&step.inside, depth + 1, text);
        let _ = writeln!(text, "{mark}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source;

    #[test]
    fn what_is_inside_is_the_shells_input() {
        let spec = "experiment: x\ntitle: t\nneeds: [namespace uts]\nsteps:\n  - unshare: -u /bin/bash\n    inside:\n      - hostname: a\n      - hostname:\n";
        let text = by_hand(&crate::spec::read(&Source::new("x.yaml", spec)).unwrap());
        assert!(text.contains("# needs namespace uts\n"), "{text}");
        assert!(
            text.ends_with("unshare -u /bin/bash <<'INSIDE1'\nhostname a\nhostname\nINSIDE1\n"),
            "{text}"
        );
    }

    #[test]
    fn each_inside_has_a_mark_of_its_own() {
        let spec = "experiment: x\ntitle: t\nsteps:\n  - unshare: -u /bin/bash\n    inside:\n      - unshare: -i /bin/bash\n        inside:\n          - hostname:\n";
        let text = by_hand(&crate::spec::read(&Source::new("x.yaml", spec)).unwrap());
        let marks = "unshare -u /bin/bash <<'INSIDE1'\nunshare -i /bin/bash <<'INSIDE2'\nhostname\nINSIDE2\nINSIDE1\n";
        assert!(text.ends_with(marks), "{text}");
    }
}
