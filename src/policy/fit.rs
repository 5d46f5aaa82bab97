//! A policy and the specs that it speaks of.

use super::{Placed, Policy};
use crate::measure::Tolerance;
use crate::source::{SourceError, nearest};
use crate::spec::{Catalog, Spec, Step};

impl Policy {
    /// Checks that every experiment that it names is among `known`.
    ///
    /// # Errors
    /// One is not.
    pub fn check(&self, known: &[&str]) -> Result<(), SourceError> {
        match self
            .spoken_of()
            .find(|name| !known.contains(&name.value.as_str()))
        {
            None => Ok(()),
            Some(name) => Err(name
                .error(format!("there is no experiment `{}`", name.value))
                .nearest(nearest(&name.value, known.iter().copied()))
                .help("`verify list` shows their names")),
        }
    }

    fn spoken_of(&self) -> impl Iterator<Item = &Placed<String>> {
        let skips = self.may_skip.iter().flatten().map(|(name, _)| name);
        let limits = self.time_limits.iter().map(|(name, _)| name);
        let bands = self.bands.iter().map(|(name, _)| name);
        let waivers = self.waivers.iter().map(|waiver| &waiver.experiment);
        self.names()
            .chain(skips)
            .chain(limits)
            .chain(bands)
            .chain(waivers)
    }

    /// Leaves in the catalog what it asks for.
    pub fn select(&self, catalog: &mut Catalog) {
        let asked = |name: &String| self.names().any(|asked| asked.value == *name);
        catalog
            .entries
            .retain(|entry| asked(&entry.spec.experiment));
    }

    /// Sets its time limits and its bands in the specs.
    ///
    /// # Errors
    /// A band is wider than the spec's, or the spec measures nothing.
    pub fn apply(&self, catalog: &mut Catalog) -> Result<(), SourceError> {
        for entry in &mut catalog.entries {
            let spec = &mut entry.spec;
            let is = |name: &Placed<String>| name.value == spec.experiment;
            if let Some((_, limit)) = self.time_limits.iter().find(|(name, _)| is(name)) {
                spec.timeout = *limit;
            }
            if let Some((name, tolerance)) = self.bands.iter().find(|(name, _)| is(name)) {
                tighten(spec, name, *tolerance)?;
            }
        }
        Ok(())
    }
}

fn tighten(spec: &mut Spec, name: &Placed<String>, tolerance: f64) -> Result<(), SourceError> {
    let file = spec.source.name.clone();
    let bands = bands(&mut spec.steps);
    if bands.is_empty() {
        return Err(name.error(format!("`{}` measures nothing", name.value)));
    }
    for (line, band) in bands {
        band.tighten(tolerance).map_err(|message| {
            name.error(message).help(format!(
                "{file}:{line} measures {band}; a policy may only be stricter"
            ))
        })?;
    }
    Ok(())
}

fn bands(steps: &mut [Step]) -> Vec<(usize, &mut dyn Tolerance)> {
    let mut all = Vec::new();
    for step in steps {
        let line = step.line;
        all.extend(step.action.band().map(|band| (line, band)));
        all.extend(bands(&mut step.inside));
    }
    all
}
