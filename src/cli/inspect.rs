//! The commands that look and perform nothing: `list`, `lint`, `plan`, `host`.

use std::fmt::Write as _;
use std::io::Write as _;

use serde_json::json;

use super::select::Selection;
use super::storage::Storage;
use super::{Stop, print_json};
use crate::host::{Host, Level};
use crate::pipeline::{self, Tried};
use crate::verbs::VERBS;
use crate::verdict::ExitCode;

/// What `verify list` takes.
#[derive(Debug, clap::Args)]
pub struct ListArguments {
    #[command(flatten)]
    selection: Selection,
    /// List the verbs of the spec language instead
    #[arg(long)]
    verbs: bool,
}

/// What `verify plan` takes.
#[derive(Debug, clap::Args)]
pub struct PlanArguments {
    #[command(flatten)]
    selection: Selection,
    #[command(flatten)]
    storage: Storage,
    /// As JSON, with what each worker would receive
    #[arg(long)]
    json: bool,
}

/// What `verify host` takes.
#[derive(Debug, clap::Args)]
pub struct HostArguments {
    /// As JSON
    #[arg(long)]
    json: bool,
}

fn print(text: &str) -> Result<(), Stop> {
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Lists experiments or verbs.
///
/// # Errors
/// The experiments cannot be read, or standard output cannot be written.
pub fn list(arguments: &ListArguments) -> Result<(), Stop> {
    let mut text = String::new();
    if arguments.verbs {
        for about in VERBS {
            let _ = writeln!(text, "{}\n    {}", about.usage, about.summary);
        }
        return print(&text);
    }
    let catalog = arguments.selection.catalog()?;
    let width = catalog
        .entries
        .iter()
        .map(|entry| entry.spec.experiment.len())
        .max()
        .unwrap_or(0);
    for entry in &catalog.entries {
        let _ = writeln!(
            text,
            "{:width$}  {}",
            entry.spec.experiment, entry.spec.title
        );
    }
    print(&text)
}

/// Checks specs; an error has stopped the reading of them already.
///
/// # Errors
/// A spec is not one.
pub fn lint(selection: &Selection) -> Result<(), Stop> {
    let catalog = selection.catalog()?;
    let steps: usize = catalog
        .entries
        .iter()
        .map(|entry| entry.spec.all_steps().len())
        .sum();
    let specs = catalog.entries.len();
    print(&format!("{specs} specs with {steps} steps: no error\n"))
}

/// Shows what would run here.
///
/// # Errors
/// The experiments cannot be read, or nothing can be tried here.
pub fn plan(arguments: &PlanArguments) -> Result<ExitCode, Stop> {
    let catalog = arguments.selection.catalog()?;
    let host = arguments.storage.host()?;
    let Tried {
        trials,
        interrupted,
        leftovers,
    } = pipeline::try_needs(&catalog, &host, super::run::default_jobs(&host)).map_err(
        |failure| Stop::undecided(format!("error: cannot try anything here: {failure}")),
    )?;
    if arguments.json {
        let rows = catalog.entries.iter().zip(&trials).map(|(entry, trial)| {
            json!({
                "experiment": trial.experiment,
                "state": trial.ready.name(),
                "why": trial.why,
                "plan": crate::plan::plan(&entry.spec, &host),
            })
        });
        print_json(&rows.collect::<Vec<_>>())?;
    } else {
        let names = trials.iter().map(|trial| trial.experiment.len());
        let width = names.max().unwrap_or(0);
        let lines = trials.iter().map(|trial| {
            let (state, why) = (trial.ready.name(), &trial.why);
            let line = format!("{state:7}  {:width$}  {why}", trial.experiment);
            line.trim_end().to_owned() + "\n"
        });
        print(&lines.collect::<String>())?;
    }
    for leftover in &leftovers {
        let _ = writeln!(anstream::stderr(), "left behind  {leftover}");
    }
    Ok(ExitCode::without_verdict(
        interrupted,
        !leftovers.is_empty(),
    ))
}

fn passed_on(level: &Level) -> String {
    let names = |names: &[String]| match names {
        [] => "none".to_owned(),
        names => names.join(" "),
    };
    let (has, passes_on) = (names(&level.controllers), names(&level.passes_on));
    format!("controllers: {has}; passed on: {passes_on}")
}

/// Shows the facts of this host.
///
/// # Errors
/// Standard output cannot be written.
pub fn host(arguments: &HostArguments) -> Result<(), Stop> {
    let host = Host::look();
    if arguments.json {
        return print_json(&host);
    }
    let mut text = String::new();
    let mut fact = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:12}{value}");
    };
    fact("kernel", &format!("Linux {} {}", host.kernel, host.machine));
    let place = match host.privilege.takes_user_namespace() {
        true => ", in user namespaces",
        false => "",
    };
    fact("privilege", &format!("{}{place}", host.privilege));
    if let Some(ids) = &host.subordinate_ids {
        let (users, groups) = (ids.users, ids.groups);
        fact("", &format!("subordinate users {users}, groups {groups}"));
    }
    fact("cpus", &host.cpus.to_string());
    fact("cgroups", host.cgroups.layout());
    for (controller, group) in &host.cgroups.v1 {
        fact("", &format!("v1 {controller} at {}", group.display()));
    }
    for level in host.cgroups.v2.iter().flat_map(|unified| &unified.lineage) {
        fact(
            "",
            &format!("v2 at {}, {}", level.path.display(), passed_on(level)),
        );
    }
    if host
        .cgroups
        .v2
        .as_ref()
        .is_some_and(|unified| unified.delegated)
    {
        fact("", "the first of these is delegated to this process");
    }
    print(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_says_what_it_has_and_what_it_passes_on() {
        let level = Level {
            path: "/sys/fs/cgroup".into(),
            controllers: vec!["cpu".to_owned(), "pids".to_owned()],
            passes_on: Vec::new(),
        };
        assert_eq!(passed_on(&level), "controllers: cpu pids; passed on: none");
    }
}
