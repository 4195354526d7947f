//! The `deja` command.
fn main() {}
