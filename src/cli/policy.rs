//! `--policy` and `--waivers`; `verify policy list` and `show`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::{Stop, must_be_path};
use crate::policy::{self, DEFAULT, Policy, PolicyError, built_in_names};
use crate::source::SourceError;
use crate::spec::Catalog;
use crate::verdict::Scope;

/// The policy of a run.
#[derive(Debug, Clone, clap::Args)]
pub struct PolicyChoice {
    /// What the host must do: a policy inside the binary, or the file of one. What it names is performed, all of it
    #[arg(long, value_name = "NAME|FILE")]
    policy: Option<String>,
    /// Known differences that somebody answers for
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
}

impl PolicyChoice {
    /// The policy, with its limits and bands set in the specs. One that is named leaves in the catalog what it names;
    /// the default one leaves everything that was selected.
    ///
    /// # Errors
    /// The policy cannot be read, or does not go together with the specs.
    pub fn of(&self, catalog: &mut Catalog) -> Result<(Policy, Scope), Stop> {
        let mut policy = read(self.policy.as_deref().unwrap_or(DEFAULT))?;
        if let Some(file) = &self.waivers {
            policy = policy::add_waivers(policy, file).map_err(|error| invalid(&error))?;
        }
        if self.policy.is_some() || self.waivers.is_some() {
            check(&policy, catalog)?;
        }
        policy.apply(catalog).map_err(|error| wrong(&error))?;
        if self.policy.is_none() {
            return Ok((policy, Scope::Selection));
        }
        policy.select(catalog);
        Ok((policy, Scope::Policy))
    }
}

/// What `verify policy` takes.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// List the policies inside the binary
    List,
    /// Show what a policy asks for, with the file and line that each value came from
    Show {
        /// A policy inside the binary, or the file of one
        #[arg(value_name = "NAME|FILE")]
        policy: String,
    },
}

/// Lists or shows policies.
///
/// # Errors
/// A policy cannot be read, or standard output cannot be written.
pub fn answer(command: &Command) -> Result<(), Stop> {
    let text = match command {
        Command::List => list()?,
        Command::Show { policy } => show(policy)?,
    };
    anstream::stdout().write_all(text.as_bytes())?;
    Ok(())
}

fn read(name: &str) -> Result<Policy, Stop> {
    // Unlike among specs, a folder here that is named as a policy, such as `ci`, is not meant.
    let policy = match must_be_path(name) {
        true => policy::load(Path::new(name)),
        false => policy::built_in(name),
    };
    policy.map_err(|error| invalid(&error))
}

fn invalid(error: &PolicyError) -> Stop {
    Stop::invalid(error.render(true))
}

fn wrong(error: &SourceError) -> Stop {
    Stop::invalid(error.render(true))
}

/// An experiment that a policy names is among those that were selected, or inside the binary.
fn check(policy: &Policy, catalog: &Catalog) -> Result<(), Stop> {
    let built_in = Catalog::built_in().map_err(|error| Stop::invalid(error.render(true)))?;
    let entries = catalog.entries.iter().chain(&built_in.entries);
    let known: Vec<_> = entries
        .map(|entry| entry.spec.experiment.as_str())
        .collect();
    policy.check(&known).map_err(|error| wrong(&error))
}

fn list() -> Result<String, Stop> {
    let mut text = String::new();
    for name in built_in_names() {
        let policy = read(name)?;
        let _ = writeln!(text, "{name:16}{}", policy.title);
    }
    Ok(text)
}

fn show(name: &str) -> Result<String, Stop> {
    let policy = read(name)?;
    let mut catalog = Catalog::built_in().map_err(|error| Stop::invalid(error.render(true)))?;
    check(&policy, &catalog)?;
    policy.apply(&mut catalog).map_err(|error| wrong(&error))?;
    let mut text = String::new();
    let rows = rows(&policy);
    let width = rows
        .iter()
        .map(|row| row.value.chars().count())
        .max()
        .unwrap_or(0);
    for Row { key, value, place } in rows {
        let _ = writeln!(text, "{key:12}  {value:width$}  {place}");
    }
    Ok(text)
}

struct Row {
    key: &'static str,
    value: String,
    place: String,
}

fn rows(policy: &Policy) -> Vec<Row> {
    let row = |key, value: String, place| Row { key, value, place };
    let mut rows = vec![row(
        "policy",
        policy.name.value.clone(),
        policy.name.place(),
    )];
    let parent = policy.inherits.iter();
    rows.extend(parent.map(|name| row("inherits", name.value.clone(), name.place())));
    for (key, names) in [
        ("require", &policy.require),
        ("recommend", &policy.recommend),
    ] {
        rows.extend(
            names
                .iter()
                .map(|name| row(key, name.value.clone(), name.place())),
        );
    }
    for group in &policy.any_of {
        let names: Vec<_> = group.iter().map(|name| name.value.as_str()).collect();
        rows.extend(
            group
                .first()
                .map(|name| row("any-of", names.join(" | "), name.place())),
        );
    }
    for (name, need) in policy.may_skip.iter().flatten() {
        rows.push(row(
            "may-skip",
            format!("{}: {need}", name.value),
            name.place(),
        ));
    }
    for (occasion, meaning) in &policy.means {
        let value = format!("{}: {}", occasion.name(), meaning.value.name());
        rows.push(row("means", value, meaning.place()));
    }
    for (name, limit) in &policy.time_limits {
        rows.push(row(
            "time-limits",
            format!("{}: {limit:?}", name.value),
            name.place(),
        ));
    }
    for (name, tolerance) in &policy.bands {
        rows.push(row(
            "bands",
            format!("{}: ±{tolerance}%", name.value),
            name.place(),
        ));
    }
    for waiver in &policy.waivers {
        let (name, owner) = (&waiver.experiment, &waiver.owner);
        let value = format!("{}: until {} by {owner}", name.value, waiver.last_day);
        rows.push(row("waivers", value, name.place()));
    }
    rows
}
