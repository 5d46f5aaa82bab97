//! `verify` certifies that a Linux host supports containers by doing what a container runtime does.

pub mod sys;
