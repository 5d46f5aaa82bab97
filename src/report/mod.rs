//! What a run has found, for people and machines. One file a format.

pub mod terminal;
