//! `verify` certifies that a Linux host supports containers by doing what a container runtime does.

pub mod host;
pub mod line;
pub mod need;
pub mod plan;
pub mod recording;
pub mod session;
pub mod source;
pub mod spec;
pub mod sys;
pub mod transcript;
pub mod verbs;
pub mod worker;
pub mod yaml;
