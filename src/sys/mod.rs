//! Thin calls into the kernel, one file a subsystem. The only place where `unsafe` may stand.
#![allow(unsafe_code)]

pub mod beneath;
pub mod namespace;
pub mod process;
pub mod spawn;
