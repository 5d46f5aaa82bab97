//! The `verify` program.

fn main() {
    if std::env::args().nth(1).as_deref() == Some("__worker") {
        verify::worker::child::main();
    }
}
