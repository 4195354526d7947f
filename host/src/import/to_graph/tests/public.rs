//! A network trained elsewhere, where one is at hand.

use super::agrees;

/// Names a public re-identification network, such as OSNet trained on MSMT17.
const FILE: &str = "DEJA_ONNX";

#[test]
fn a_public_network_is_imported_as_tract_runs_it() {
    let Some(path) = std::env::var_os(FILE) else {
        eprintln!("SKIPPED: set {FILE} to an ONNX file of a re-identification network");
        return;
    };
    agrees(&std::fs::read(path).unwrap(), None);
}
