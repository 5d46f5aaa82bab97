//! Performing experiments: one worker process for each, in namespaces of its own.
//!
//! `parent` starts workers, listens to them and ends them; `child` is what runs in one; `message` is what they say to
//! each other; `run` is what a run leaves on the host while it lasts, and how that is found when a run was killed.

pub mod child;
pub mod message;
mod needs;
mod parent;
mod place;
mod run;

pub use parent::{Performed, Progress, Task, perform};
pub use run::Run;
