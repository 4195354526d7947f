//! The `deja` command.

fn main() -> std::process::ExitCode {
    deja::cmd::main()
}
