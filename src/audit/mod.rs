//! Results of several runs: what has changed between two of them, and many hosts as one table.

mod changes;
mod changes_text;
mod fleet;
mod fleet_page;
mod fleet_text;

pub use changes::{Change, Changes, Direction, Fact, changes};
pub use fleet::{Fleet, Row, Seen};

#[cfg(test)]
mod tests;
