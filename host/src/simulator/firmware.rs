//! Builds a microcontroller's program with whatever toolchain this computer has for it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::machine::Board;
use super::qemu::QemuError;

/// Debian's compiler, which brings the core library's source, as packages `rustc-web`, `cargo-web` and `rust-web-src`.
const DEBIAN: Toolchain<'static> =
    Toolchain { cargo: "/usr/bin/cargo", rustc: "/usr/bin/rustc", core_from_source: true };

/// How firmware can be compiled here.
#[derive(Debug, Clone, Copy)]
struct Toolchain<'a> {
    cargo: &'a str,
    rustc: &'a str,
    /// Whether the core library is compiled too, because it does not come ready for the target.
    core_from_source: bool,
}

/// A program for a microcontroller.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// Its package.
    pub package: &'a str,
    /// The compiler's name for the architecture.
    pub target: &'static str,
    /// The processor, where it has more than every one of its architecture.
    pub cpu: Option<&'a str>,
    /// Cargo features that are turned on.
    pub features: &'a [&'a str],
}

/// Builds the board's firmware where it is not up to date; gives the ELF file.
///
/// # Errors
/// [`QemuError`] says what is missing.
pub fn build_firmware(board: &Board) -> Result<PathBuf, QemuError> {
    let workspace = workspace();
    if !workspace.join("firmware/boards").join(board.name).exists() {
        return Err(QemuError::NoSource(workspace.to_path_buf()));
    }
    build(&Program { package: &board.package(), target: board.target, cpu: board.target_cpu, features: &[] })
}

/// Builds a program of the workspace where it is not up to date; gives the ELF file.
///
/// # Errors
/// [`QemuError`] says what is missing.
pub fn build(program: &Program<'_>) -> Result<PathBuf, QemuError> {
    let toolchain = toolchain(program.target)?;
    let mut cargo = Command::new(toolchain.cargo);
    cargo.current_dir(workspace()).args(["build", "--package", program.package, "--target", program.target]);
    cargo.args(["--profile", "firmware", "--message-format", "json-render-diagnostics"]);
    cargo.arg("--features").arg(program.features.join(","));
    // What the outer cargo sets for its own build must not reach the firmware's.
    cargo.env_remove("RUSTFLAGS").env_remove("CARGO_ENCODED_RUSTFLAGS");
    let target = program.target.to_uppercase().replace(['-', '.'], "_");
    if let Some(cpu) = program.cpu {
        cargo.env(format!("CARGO_TARGET_{target}_RUSTFLAGS"), format!("-Ctarget-cpu={cpu}"));
    }
    if toolchain.core_from_source {
        cargo.arg("-Zbuild-std=core").env("RUSTC_BOOTSTRAP", "1").env("RUSTC", toolchain.rustc);
        if let Some(linker) = linker() {
            cargo.env(format!("CARGO_TARGET_{target}_LINKER"), linker);
        }
    }
    let output = cargo.output().map_err(|error| QemuError::Run { program: "cargo", error })?;
    let failed = || QemuError::Build {
        package: program.package.to_owned(),
        output: String::from_utf8_lossy(&output.stderr).trim_end().to_owned(),
    };
    if !output.status.success() {
        return Err(failed());
    }
    String::from_utf8_lossy(&output.stdout).lines().find_map(executable).ok_or_else(failed)
}

/// Where the source lies that this program was built from.
fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// The ELF file that a line of cargo's messages names.
fn executable(line: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(line).ok()?;
    Some(PathBuf::from(message.get("executable")?.as_str()?))
}

/// The usual compiler if it has the target or can build the core library for it, else Debian's.
fn toolchain(target: &'static str) -> Result<Toolchain<'static>, QemuError> {
    let usual = Toolchain { cargo: "cargo", rustc: "rustc", core_from_source: false };
    let libraries =
        sysroot(usual.rustc).map_err(|error| QemuError::Run { program: "rustc", error })?.join("lib/rustlib");
    if libraries.join(target).exists() {
        return Ok(usual);
    }
    let has_source = |libraries: &Path| libraries.join("src/rust/library/core").exists();
    if has_source(&libraries) {
        return Ok(Toolchain { core_from_source: true, ..usual });
    }
    let debian = sysroot(DEBIAN.rustc).is_ok_and(|root| has_source(&root.join("lib/rustlib")));
    if debian && Path::new(DEBIAN.cargo).exists() {
        return Ok(DEBIAN);
    }
    Err(QemuError::NoTarget { target })
}

/// The folder that a compiler's libraries lie in.
fn sysroot(rustc: &str) -> std::io::Result<PathBuf> {
    let output = Command::new(rustc).args(["--print", "sysroot"]).output()?;
    Ok(PathBuf::from(String::from_utf8_lossy(&output.stdout).trim()))
}

/// The linker that comes with rustup's toolchain, where there is one: Debian's compiler comes without.
fn linker() -> Option<PathBuf> {
    let libraries = sysroot("rustc").ok()?.join("lib/rustlib");
    let hosts = std::fs::read_dir(libraries).ok()?.filter_map(Result::ok);
    hosts.map(|host| host.path().join("bin/rust-lld")).find(|linker| linker.exists())
}
