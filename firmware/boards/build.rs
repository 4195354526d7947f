//! Every board's build script: hands the board's memory.x, and the stack's bound, to the linker.

fn main() {
    let folder = std::env::var("CARGO_MANIFEST_DIR").expect("cargo names the package's folder for build scripts");
    println!("cargo:rustc-link-search={folder}");
    println!("cargo:rerun-if-changed=memory.x");
    println!("cargo:rerun-if-changed=../stack.x");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|os| os == "none") {
        println!("cargo:rustc-link-arg-bins=-Tlink.x");
        println!("cargo:rustc-link-search={folder}/..");
        println!("cargo:rustc-link-arg-bins=-Tstack.x");
    }
}
