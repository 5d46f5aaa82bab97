//! The `verify` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let first = std::env::args_os().nth(1);
    match first.as_ref().and_then(|word| word.to_str()) {
        Some("__worker") => verify::worker::child::main(),
        Some("__empty") => verify::worker::emptier::main(),
        _ => {}
    }
    ExitCode::from(verify::cli::main(std::env::args_os()).number())
}
