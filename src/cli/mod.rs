//! The command line: what may be asked, and the answer's exit code.

mod audit;
mod elsewhere;
mod explain;
mod inspect;
mod policy;
mod report;
mod reports;
mod review;
mod run;
mod select;
mod storage;

use std::ffi::OsString;
use std::io::{self, Write};

use clap::builder::styling::{AnsiColor, Styles};
use clap::{CommandFactory, Parser, Subcommand};

use crate::verdict::ExitCode;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

const AFTER_HELP: &str = "\
Examples:
  verify run                       perform what is inside the binary: the whole tutorial
  verify run specs/                perform the specs of a folder
  verify run specs/ namespace      only those with `namespace` in their name
  verify run --policy rootless     what a host for rootless containers must do
  verify run --scratch /var/lib/containers
                                   whether overlays work where containers are kept
  verify plan                      what would run here, and which needs are not met
  verify explain overlayfs         the same as commands to paste on a host

Exit codes:
  0  certified                     everything that was asked for was shown
  1  not certified                 the kernel answered otherwise than reviewed
  2  invalid request               arguments, a spec, a policy or a snapshot cannot be read; nothing was performed
  3  undecided                     nothing failed, but not everything was shown
  4  left dirty                    something could not be removed from the host
  130, 143                         interrupted, after cleaning up";

/// Certifies that this host supports containers, by doing what a container runtime does.
///
/// Each experiment is a session of commands, performed natively in namespaces of its own and compared with the
/// session that a person has reviewed. Nothing is left behind.
#[derive(Debug, Parser)]
#[command(name = "verify", version, after_help = AFTER_HELP, styles = STYLES, disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Perform experiments and give a verdict
    Run(run::Arguments),
    /// List the experiments, or the verbs of the spec language
    List(inspect::ListArguments),
    /// Show what would run here, and which needs are not met
    Plan(inspect::PlanArguments),
    /// Check specs without performing anything (needs no root)
    Lint(select::Selection),
    /// Print an experiment as commands to paste on a host
    Explain(select::Selection),
    /// List policies, or show what one asks for
    #[command(subcommand)]
    Policy(policy::Command),
    /// Write reports of results that are there already (needs no root)
    Report(report::Arguments),
    /// Show what has changed from one run's results to another's (needs no root)
    Diff(audit::DiffArguments),
    /// Show the results of many hosts as one table (needs no root)
    Merge(audit::MergeArguments),
    /// Print the JSON Schema of a spec, for editors, or of a results file
    Schema {
        /// Of what
        #[arg(value_enum, default_value = "spec")]
        of: SchemaOf,
    },
    /// Show sessions that wait for a review, and accept or reject each
    Review(review::ReviewArguments),
    /// Accept sessions that wait for a review
    Accept(review::Arguments),
    /// Reject sessions that wait for a review
    Reject(review::Arguments),
    /// Show the facts of this host that decide how experiments run
    Host(inspect::HostArguments),
    /// Print the completions for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Print the man page
    Man,
}

/// What there is a schema of.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum SchemaOf {
    /// A spec
    Spec,
    /// The file that `verify run -r json=FILE` writes
    Results,
}

/// What stops a command: words for standard error, and the exit code.
#[derive(Debug)]
pub struct Stop {
    message: String,
    code: ExitCode,
}

impl Stop {
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: ExitCode::Invalid,
        }
    }

    fn undecided(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            code: ExitCode::Undecided,
        }
    }
}

impl From<io::Error> for Stop {
    /// Writing to standard output failed. A reader that has seen enough, such as head(1), is no error.
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self {
                message: String::new(),
                code: ExitCode::Done,
            },
            _ => Self::invalid(format!("error: cannot write to standard output: {error}")),
        }
    }
}

/// Does what the command line asks for.
#[must_use]
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let command = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments.command,
        Err(error) => {
            let _ = error.print();
            let failed = error.use_stderr();
            return if failed {
                ExitCode::Invalid
            } else {
                ExitCode::Done
            };
        }
    };
    match answer(command) {
        Ok(code) => code,
        Err(stop) => {
            if !stop.message.is_empty() {
                let _ = writeln!(anstream::stderr(), "{}", stop.message);
            }
            stop.code
        }
    }
}

fn answer(command: Command) -> Result<ExitCode, Stop> {
    let done = |()| ExitCode::Done;
    match command {
        Command::Run(arguments) => run::run(&arguments),
        Command::List(arguments) => inspect::list(&arguments).map(done),
        Command::Plan(arguments) => inspect::plan(&arguments),
        Command::Lint(selection) => inspect::lint(&selection).map(done),
        Command::Explain(selection) => explain::explain(&selection).map(done),
        Command::Policy(command) => policy::answer(&command).map(done),
        Command::Diff(arguments) => audit::diff(&arguments),
        Command::Merge(arguments) => audit::merge(&arguments),
        Command::Report(arguments) => report::report(&arguments).map(done),
        Command::Schema { of } => match of {
            SchemaOf::Spec => print_json(&crate::spec::schema()).map(done),
            SchemaOf::Results => {
                io::stdout().write_all(crate::results::JSON_SCHEMA.as_bytes())?;
                Ok(ExitCode::Done)
            }
        },
        Command::Review(arguments) => review::review(&arguments),
        Command::Accept(arguments) => review::accept(&arguments).map(done),
        Command::Reject(arguments) => review::reject(&arguments).map(done),
        Command::Host(arguments) => inspect::host(&arguments).map(done),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Arguments::command(), "verify", &mut script);
            io::stdout().write_all(&script)?;
            Ok(ExitCode::Done)
        }
        Command::Man => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Arguments::command()).render(&mut page)?;
            io::stdout().write_all(&page)?;
            Ok(ExitCode::Done)
        }
    }
}

fn print_json(value: &impl serde::Serialize) -> Result<(), Stop> {
    let text =
        crate::report::json(value).map_err(|error| Stop::invalid(format!("error: {error}")))?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Whether a word can only be a path: it has a `/` or the ending of a YAML file.
fn must_be_path(word: &str) -> bool {
    word.contains('/') || word.ends_with(".yaml") || word.ends_with(".yml")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_a_slash_or_the_ending_of_yaml() {
        for (word, path) in [
            ("specs/", true),
            ("/x", true),
            ("x.yaml", true),
            ("x.yml", true),
            ("overlayfs", false),
            ("yaml", false),
        ] {
            assert_eq!(must_be_path(word), path, "{word}");
        }
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }
}
