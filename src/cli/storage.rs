//! Where experiments lie.

use std::path::PathBuf;

use super::Stop;
use crate::host::{Host, ScratchPlace};
use crate::recording::Failure;

/// The file system that experiments lie on.
#[derive(Debug, clap::Args)]
pub struct Storage {
    /// Perform them on the file system of this directory, such as /var/lib/containers, in one that is removed again
    ///
    /// What a container engine would meet there is met: that no overlay can lie on it, that it keeps no attributes or no
    /// file types. Without it each experiment has a tmpfs of its own, and the verdict says nothing about the storage.
    #[arg(long, value_name = "DIRECTORY")]
    scratch: Option<PathBuf>,
}

impl Storage {
    /// This host, with the place that was named.
    ///
    /// # Errors
    /// Nothing can lie there.
    pub fn host(&self) -> Result<Host, Stop> {
        let mut host = Host::look();
        if let Some(named) = &self.scratch {
            let place = ScratchPlace::look(named).map_err(|error| {
                let failure = Failure::io("open", named.display(), &error);
                let help = "help: name a directory of the file system that containers are kept on, which you may write to";
                Stop::invalid(format!("error: no experiment can lie there: {failure}\n{help}"))
            })?;
            host.scratch = Some(place);
        }
        Ok(host)
    }
}
