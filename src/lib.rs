//! `verify` certifies that a Linux host supports containers by doing what a container runtime does.
//!
//! Start at [`pipeline`]: it is the way that the data goes.

pub mod audit;
pub mod cli;
pub mod compare;
pub mod diagnose;
pub mod digest;
pub mod host;
pub mod line;
pub mod measure;
pub mod need;
pub mod outcome;
pub mod pipeline;
pub mod plan;
pub mod policy;
pub mod program;
pub mod recording;
pub mod replace;
pub mod report;
pub mod results;
pub mod session;
pub mod snapshot;
pub mod source;
pub mod spec;
pub mod sys;
pub mod transcript;
pub mod verbs;
pub mod verdict;
pub mod worker;
pub mod yaml;
