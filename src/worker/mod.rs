//! Performing experiments: one worker process for each, in namespaces of its own.
//!
//! `parent` starts workers, the next `task` each, listens to them and ends them. `supervised` is a worker as it sees it,
//! `account` what that has said, `unstarted` why there is none. `child` is what runs in one; `message` is what they say to
//! each other; `place` and `membership` are where a worker goes before its first step.
//!
//! `run` is what a run holds on the host while it lasts, and that nothing of it is left: `state` has its directory and
//! lock, `group` its cgroups, `vacated` the caller's own one where it has to make room, `scratch` its directory on a file
//! system of the host, which `emptier` empties for an ordinary user; `janitor` cleans up after a run that is killed,
//! `reap` at the next start, and `inventory` compares the host after a run with what it was before.

mod account;
pub mod child;
pub mod emptier;
mod group;
mod inventory;
mod janitor;
mod membership;
pub mod message;
mod needs;
mod parent;
mod place;
mod reap;
mod run;
mod scratch;
mod signals;
mod state;
mod supervised;
mod task;
mod unstarted;
mod vacated;

pub use parent::{Performed, Progress, perform};
pub use run::Run;
pub use task::Task;
