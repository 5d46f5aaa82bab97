//! Any text is a spec, or an error that can be shown: no panic, no endless reading.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verify::source::Source;
use verify::spec;

fuzz_target!(|text: &str| {
    match spec::read(&Source::new("fuzz.yaml", text)) {
        Ok(spec) => assert!(!spec.all_steps().is_empty()),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
