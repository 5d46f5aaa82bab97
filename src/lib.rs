//! `verify` certifies that a Linux host supports containers by doing what a container runtime does.

pub mod line;
pub mod source;
pub mod sys;
pub mod yaml;
