//! Thin calls into the kernel, one file a subsystem. The only place where `unsafe` may stand.
#![allow(unsafe_code)]
