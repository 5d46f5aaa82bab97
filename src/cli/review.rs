//! `verify review`, `accept` and `reject`: what `cargo insta` does, where there is no cargo.

use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};

use super::{Stop, elsewhere};
use crate::compare::diff;
use crate::snapshot::{self, Pending, SnapshotError};
use crate::spec::snapshot_folder;
use crate::verdict::ExitCode;

/// What `verify review` takes.
#[derive(Debug, clap::Args)]
pub struct ReviewArguments {
    /// Review the sessions of this results file, which `verify run -r json=FILE` has written elsewhere: PATH is then
    /// their specs; without any, `specs/` here
    #[arg(long, value_name = "RESULTS")]
    from: Option<PathBuf>,
    #[command(flatten)]
    pending: Arguments,
}

/// What `verify accept` and `reject` take.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Folders of specs or of snapshots, and snapshots; without any, `snapshots/` here
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

impl Arguments {
    fn pending(&self) -> Result<Vec<Pending>, Stop> {
        let paths = self.paths_or("snapshots");
        let folders: Vec<_> = paths.iter().map(|path| folder_of(path)).collect();
        Ok(snapshot::pending(&folders)?)
    }

    fn paths_or(&self, here: &str) -> Vec<PathBuf> {
        match self.paths.is_empty() {
            true => vec![PathBuf::from(here)],
            false => self.paths.clone(),
        }
    }
}

fn folder_of(path: &Path) -> PathBuf {
    let specs = path.is_dir() && !path.ends_with("snapshots");
    if specs {
        snapshot_folder(path)
    } else {
        path.to_owned()
    }
}

impl From<SnapshotError> for Stop {
    fn from(error: SnapshotError) -> Self {
        Self::invalid(error.report())
    }
}

/// Shows each session that waits and asks what to do with it.
///
/// # Errors
/// Files that cannot be read or written; no terminal to ask on.
pub fn review(arguments: &ReviewArguments) -> Result<ExitCode, Stop> {
    if let Some(results) = &arguments.from {
        elsewhere::keep(results, &arguments.pending.paths_or("specs"))?;
    }
    let pending = arguments.pending.pending()?;
    if pending.is_empty() {
        writeln!(anstream::stdout(), "nothing waits for a review")?;
        return Ok(ExitCode::Done);
    }
    let ask = std::io::stdin().is_terminal();
    let mut skipped = 0;
    for (number, one) in pending.iter().enumerate() {
        writeln!(
            anstream::stdout(),
            "{}",
            show(one, number + 1, pending.len())?
        )?;
        match if ask { question()? } else { Answer::Skip } {
            Answer::Accept => accept_one(one)?,
            Answer::Reject => reject_one(one)?,
            Answer::Skip => skipped += 1,
        }
    }
    if skipped == 0 {
        return Ok(ExitCode::Done);
    }
    let how = if ask {
        ""
    } else {
        ": no terminal to ask on, use `verify accept` or `verify reject`"
    };
    Err(Stop::undecided(format!(
        "{skipped} still wait for a review{how}"
    )))
}

/// Accepts every session that waits.
///
/// # Errors
/// Files that cannot be read or written.
pub fn accept(arguments: &Arguments) -> Result<(), Stop> {
    arguments.pending()?.iter().try_for_each(accept_one)
}

/// Rejects every session that waits.
///
/// # Errors
/// Files that cannot be removed.
pub fn reject(arguments: &Arguments) -> Result<(), Stop> {
    arguments.pending()?.iter().try_for_each(reject_one)
}

fn accept_one(pending: &Pending) -> Result<(), Stop> {
    let observed = pending.observed()?;
    snapshot::accept(pending, &observed.snapshot)?;
    writeln!(anstream::stdout(), "accepted {}", pending.path.display())?;
    Ok(())
}

fn reject_one(pending: &Pending) -> Result<(), Stop> {
    snapshot::reject(pending)?;
    writeln!(anstream::stdout(), "rejected {}", pending.path.display())?;
    Ok(())
}

fn show(pending: &Pending, number: usize, all: usize) -> Result<String, Stop> {
    let observed = pending.observed()?;
    let reviewed = pending.reviewed()?;
    let (old, first_line, state) = match &reviewed {
        Some(stored) => (
            stored.snapshot.contents.as_str(),
            stored.first_line,
            "differs",
        ),
        None => ("", observed.first_line, "new"),
    };
    let changes = diff(old, &observed.snapshot.contents, first_line).coloured();
    let source = &observed.snapshot.source;
    Ok(format!(
        "[{number}/{all}] {} ({state}), from {source}\n{changes}",
        pending.path.display()
    ))
}

enum Answer {
    Accept,
    Reject,
    Skip,
}

fn question() -> Result<Answer, Stop> {
    loop {
        let mut out = anstream::stdout();
        write!(out, "(a)ccept, (r)eject or (s)kip? ")?;
        out.flush()?;
        let mut line = String::new();
        if std::io::stdin().lock().read_line(&mut line)? == 0 {
            return Ok(Answer::Skip);
        }
        match line.trim() {
            "a" | "accept" => return Ok(Answer::Accept),
            "r" | "reject" => return Ok(Answer::Reject),
            "s" | "skip" => return Ok(Answer::Skip),
            _ => {}
        }
    }
}
