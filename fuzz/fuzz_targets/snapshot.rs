//! Any text is a snapshot, or an error that can be shown.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verify::snapshot;
use verify::source::Source;

fuzz_target!(|text: &str| {
    let _ = snapshot::parse(&Source::new("fuzz.snap", text));
});
