//! Who may import whom, read from `cargo metadata`.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// The whole rule. A package that is missing here fails the test, and so does an edge that is missing here.
fn allowed(package: &str) -> Option<&'static [&'static str]> {
    match package {
        "deja-shared" => Some(&[]),
        "deja-firmware" => Some(&["deja-shared"]),
        "deja-board-support" => Some(&["deja-firmware", "deja-shared"]),
        board if board.starts_with("deja-board-") => Some(&["deja-board-support", "deja-firmware", "deja-shared"]),
        "deja-on-core" => Some(&["deja-firmware", "deja-shared"]),
        "deja" => Some(&["deja-firmware", "deja-shared"]),
        "deja-tests" => Some(&["deja", "deja-firmware", "deja-shared"]),
        _ => None,
    }
}

fn metadata() -> Metadata {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    MetadataCommand::new().manifest_path(manifest).no_deps().exec().expect("cargo metadata runs")
}

/// For each package of the workspace, which others it depends on in any way.
fn edges(metadata: &Metadata) -> BTreeMap<String, BTreeSet<String>> {
    let packages = metadata.workspace_packages();
    let names: BTreeSet<String> = packages.iter().map(|package| package.name.to_string()).collect();
    let ours = |package: &&cargo_metadata::Package| {
        package.dependencies.iter().map(|d| d.name.clone()).filter(|name| names.contains(name)).collect()
    };
    packages.iter().map(|package| (package.name.to_string(), ours(package))).collect()
}

#[test]
fn packages_import_only_what_the_house_allows() {
    let edges = edges(&metadata());
    assert!(edges.len() >= 5, "the workspace holds {} packages", edges.len());
    for (package, imports) in &edges {
        let allowed = allowed(package).unwrap_or_else(|| panic!("{package} has no import rule"));
        for import in imports {
            assert!(allowed.contains(&import.as_str()), "{package} must not import {import}");
        }
    }
    assert!(edges["deja"].contains("deja-firmware"), "the host runs the camera's own code");
}

#[test]
fn versions_stand_once_in_the_workspace() {
    let metadata = metadata();
    for package in metadata.workspace_packages() {
        let manifest = std::fs::read_to_string(&package.manifest_path).expect("the manifest can be read");
        let own = manifest.lines().filter(|line| line.contains(" = ") && line.contains("version = \""));
        assert_eq!(own.count(), 0, "{} names a version of its own", package.manifest_path);
    }
}

#[test]
fn camera_packages_need_no_operating_system() {
    let metadata = metadata();
    let device = |name: &str| name == "deja-shared" || name == "deja-firmware" || name.starts_with("deja-board-");
    for package in metadata.workspace_packages().into_iter().filter(|p| device(&p.name)) {
        let root = package.targets.iter().find(|t| t.is_lib() || t.is_bin()).expect("a library or a binary");
        let source = std::fs::read_to_string(&root.src_path).expect("the source can be read");
        assert!(source.contains("no_std"), "{} is not no_std", package.name);
        for dependency in package.dependencies.iter().filter(|d| d.kind == DependencyKind::Normal) {
            let std = dependency.features.iter().any(|feature| feature == "std" || feature == "alloc");
            assert!(!std, "{} asks {} for an allocator", package.name, dependency.name);
        }
    }
}
