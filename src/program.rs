//! This program, as the results name it.

use std::fs::File;

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

use crate::digest::sha256_of;
use crate::sys::spawn::open_this_program;

/// The program that made the results.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields)]
pub struct Program {
    /// Its version: `0.1.0`.
    pub version: String,
    /// The digest of its file; none when the file could not be read.
    pub sha256: Option<String>,
}

impl Program {
    /// The program that is running.
    #[must_use]
    pub fn running() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            sha256: own_digest(),
        }
    }
}

fn own_digest() -> Option<String> {
    let file = File::from(open_this_program(OFlag::O_RDONLY).ok()?);
    sha256_of(file).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::sha256;

    #[test]
    fn the_digest_is_of_the_file_that_runs() {
        let file = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert_eq!(Program::running().sha256, Some(sha256(&file)));
    }
}
