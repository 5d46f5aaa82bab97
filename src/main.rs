//! The `verify` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    if arguments.nth(1).is_some_and(|word| word == "__worker") {
        verify::worker::child::main();
    }
    ExitCode::from(verify::cli::main(std::env::args_os()).number())
}
