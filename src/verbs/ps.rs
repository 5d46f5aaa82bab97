//! `ps`: the processes that this PID namespace has.

use procfs::process::{Process, all_processes};
use serde::{Deserialize, Serialize};

use super::{Verb, options};
use crate::line::{LineError, Words, one_of};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::process::set_name;

/// Prints every process that /proc shows: PID, parent, name. ps(1), proc(5)
///
/// It runs in a process of its own, as ps(1) would, and shows that one too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, clap::Args)]
#[command(group(clap::ArgGroup::new("which").required(true).multiple(true)))]
pub struct Ps {
    /// every process
    #[arg(short, group = "which")]
    every: bool,
    /// with parents
    #[arg(short)]
    full: bool,
    /// these columns
    #[arg(short = 'o', value_delimiter = ',', value_name = "COLUMN")]
    columns: Vec<Column>,
}

/// A column of `ps -o`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Column {
    Pid,
    Ppid,
    Nspid,
    Cmd,
}

impl std::str::FromStr for Column {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "pid" => Ok(Self::Pid),
            "ppid" => Ok(Self::Ppid),
            "nspid" => Ok(Self::Nspid),
            "cmd" => Ok(Self::Cmd),
            _ => Err(format!(
                "expected {}",
                one_of(&["pid", "ppid", "nspid", "cmd"])
            )),
        }
    }
}

impl Verb for Ps {
    const USAGE: &'static str = "ps -ef | ps -e -o pid,ppid,nspid,cmd";
    const SUMMARY: &'static str = "Print every process that /proc shows";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        options(words)
    }

    fn prints(&self) -> bool {
        true
    }

    fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
        session.in_child("ps", |_| {
            set_name(if self.full { "ps -ef" } else { "ps -e" })
                .map_err(|errno| Failure::errno("prctl", "", errno))?;
            let mut rows = vec![self.columns().iter().map(|column| column.title()).collect()];
            for process in all_processes().map_err(|error| proc_failure(&error))? {
                // A process that ends while it is read is not there.
                rows.extend(process.ok().and_then(|process| self.row(&process)));
            }
            Ok(Output::lines(rows))
        })
    }

    fn by_hand(&self, line: &str) -> String {
        if self.columns.contains(&Column::Nspid) {
            "grep -H NSpid /proc/[0-9]*/status".to_owned()
        } else {
            line.to_owned()
        }
    }
}

impl Ps {
    fn columns(&self) -> &[Column] {
        match (self.columns.is_empty(), self.full) {
            (true, true) => &[Column::Pid, Column::Ppid, Column::Cmd],
            (true, false) => &[Column::Pid, Column::Cmd],
            (false, _) => &self.columns,
        }
    }

    fn row(&self, process: &Process) -> Option<String> {
        let stat = process.stat().ok()?;
        let status = process.status().ok()?;
        let cells = self.columns().iter().map(|column| match column {
            Column::Pid => format!("{:>5}", stat.pid),
            Column::Ppid => format!(" {:>5}", stat.ppid),
            Column::Nspid => {
                let numbers: Vec<_> = status
                    .nspid
                    .iter()
                    .flatten()
                    .map(ToString::to_string)
                    .collect();
                format!("  {:<8}", numbers.join(" "))
            }
            Column::Cmd => format!("  {}", stat.comm),
        });
        Some(cells.collect())
    }
}

impl Column {
    fn title(self) -> &'static str {
        match self {
            Self::Pid => "  PID",
            Self::Ppid => "  PPID",
            Self::Nspid => "  NSPID   ",
            Self::Cmd => "  CMD",
        }
    }
}

fn proc_failure(error: &procfs::ProcError) -> Failure {
    match error {
        procfs::ProcError::NotFound(_) => {
            Failure::errno("open", "/proc", nix::errno::Errno::ENOENT)
        }
        procfs::ProcError::PermissionDenied(_) => {
            Failure::errno("open", "/proc", nix::errno::Errno::EACCES)
        }
        other => Failure::unexpected("read", "/proc", other.to_string()),
    }
}
