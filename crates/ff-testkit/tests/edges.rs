//! Who may know whom: the crates' edges, read from the manifests.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

/// Whom each crate knows among ours: exactly these.
const EDGES: &[(&str, &[&str])] = &[
    ("ff-protocol", &[]),
    ("ff-core", &["ff-protocol"]),
    ("ff-engine", &["ff-protocol", "ff-core"]),
    ("ff-agent", &["ff-protocol", "ff-core", "ff-engine"]),
    ("ff-client", &["ff-protocol"]),
    ("ff-cloud", &["ff-protocol", "ff-client"]),
    (
        "ff-desktop",
        &["ff-protocol", "ff-core", "ff-engine", "ff-client"],
    ),
    ("ff-testkit", &["ff-protocol", "ff-client"]),
];

/// Outside crates that only these crates of ours may use.
const KEPT_TO: &[(&str, &[&str])] = &[
    ("bollard", &["ff-cloud"]),
    (
        "axum",
        &[
            "ff-engine",
            "ff-agent",
            "ff-cloud",
            "ff-desktop",
            "ff-testkit",
        ],
    ),
    ("reqwest", &["ff-client"]),
    ("pty-process", &["ff-core", "ff-testkit"]),
];

fn metadata() -> Metadata {
    MetadataCommand::new().no_deps().exec().unwrap()
}

fn dependencies(metadata: &Metadata, kind: DependencyKind) -> BTreeMap<String, BTreeSet<String>> {
    let of = |package: &cargo_metadata::Package| {
        let names = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == kind);
        names.map(|dependency| dependency.name.clone()).collect()
    };
    metadata
        .packages
        .iter()
        .map(|package| (package.name.to_string(), of(package)))
        .collect()
}

#[test]
fn crates_know_exactly_whom_they_may() {
    let metadata = metadata();
    let actual = dependencies(&metadata, DependencyKind::Normal);
    let names: BTreeSet<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    assert_eq!(
        actual.keys().map(String::as_str).collect::<BTreeSet<_>>(),
        names
    );
    for (name, edges) in EDGES {
        let ours: BTreeSet<&str> = actual[*name]
            .iter()
            .map(String::as_str)
            .filter(|dependency| dependency.starts_with("ff-"))
            .collect();
        assert_eq!(ours, edges.iter().copied().collect(), "{name}");
    }
}

#[test]
fn the_testkit_is_only_ever_a_dev_dependency() {
    let metadata = metadata();
    for kind in [DependencyKind::Normal, DependencyKind::Build] {
        for (name, dependencies) in dependencies(&metadata, kind) {
            assert!(
                !dependencies.contains("ff-testkit"),
                "{name} depends on ff-testkit"
            );
        }
    }
    let tests = dependencies(&metadata, DependencyKind::Development);
    assert!(
        tests["ff-cloud"].contains("ff-testkit"),
        "the rule above would pass if nobody used it"
    );
}

#[test]
fn outside_crates_stay_where_they_are_hidden() {
    let actual = dependencies(&metadata(), DependencyKind::Normal);
    for (outside, allowed) in KEPT_TO {
        let users: BTreeSet<&str> = actual
            .iter()
            .filter(|(_, dependencies)| dependencies.contains(*outside))
            .map(|(name, _)| name.as_str())
            .collect();
        assert_eq!(users, allowed.iter().copied().collect(), "{outside}");
    }
}
