//! Hands the memory map of the machine that a feature names to the linker.

use std::path::PathBuf;

/// Feature, flash, RAM: origin and length.
const MACHINES: [(&str, &str, &str); 3] = [
    ("MPS2_AN386", "ORIGIN = 0x00000000, LENGTH = 4M", "ORIGIN = 0x20000000, LENGTH = 4M"),
    ("MPS2_AN505", "ORIGIN = 0x10000000, LENGTH = 4M", "ORIGIN = 0x38000000, LENGTH = 4M"),
    ("MPS3_AN547", "ORIGIN = 0x00000000, LENGTH = 512K", "ORIGIN = 0x31000000, LENGTH = 4M"),
];

fn main() {
    let chosen = |(name, ..): &&(&str, &str, &str)| std::env::var_os(format!("CARGO_FEATURE_{name}")).is_some();
    let Some((_, flash, ram)) = MACHINES.iter().find(chosen) else { return };
    let out = PathBuf::from(std::env::var_os("OUT_DIR").expect("cargo names a folder for build scripts"));
    let map = format!("MEMORY\n{{\n  FLASH : {flash}\n  RAM   : {ram}\n}}\n");
    std::fs::write(out.join("memory.x"), map).expect("the folder can be written");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
}
