//! The dependency rules, over what cargo says: equal to the table in ARCHITECTURE.md.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, MetadataCommand};

type Table = BTreeMap<String, BTreeSet<String>>;

const BEGIN: &str = "<!-- dependency table -->";
const END: &str = "<!-- end of dependency table -->";

/// Crates that decide: no socket, no clock, no runtime.
const PURE: [&str; 3] = ["provisioning", "rate-tokens", "scim"];

/// What a crate that decides must not touch.
const EDGES: [&str; 9] = [
    "tokio",
    "reqwest",
    "async-nats",
    "axum",
    "getrandom",
    "rustix",
    "opentelemetry",
    "tracing",
    "hyper",
];

/// Outside crates that only one of ours may know.
const OWNED: [(&str, &[&str]); 2] = [
    ("async-nats", &["bus"]),
    ("reqwest", &["litmos", "cli", "rollcall-tests"]),
];

struct Harness {
    /// Harness crates by the harness crates they depend on.
    inside: Table,
    /// Harness crates by the outside crates they depend on.
    outside: Table,
    services: BTreeSet<String>,
}

fn harness() -> Harness {
    let metadata = MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .unwrap();
    let names: BTreeSet<String> = metadata
        .packages
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    let mut harness = Harness {
        inside: Table::new(),
        outside: Table::new(),
        services: BTreeSet::new(),
    };
    for package in &metadata.packages {
        let name = package.name.to_string();
        if package.manifest_path.as_str().contains("/services/") {
            harness.services.insert(name.clone());
        }
        let normal = package
            .dependencies
            .iter()
            .filter(|dependency| dependency.kind == DependencyKind::Normal);
        let (inside, outside) = normal
            .map(|dependency| dependency.name.clone())
            .partition(|name| names.contains(name));
        harness.inside.insert(name.clone(), inside);
        harness.outside.insert(name, outside);
    }
    harness
}

fn broken_rules(harness: &Harness) -> Vec<String> {
    let mut broken = Vec::new();
    for (name, dependencies) in &harness.inside {
        for service in dependencies
            .intersection(&harness.services)
            .filter(|_| harness.services.contains(name))
        {
            broken.push(format!("service {name} depends on service {service}"));
        }
        if dependencies.contains("proto") && name != "bus" {
            broken.push(format!("{name} depends on proto; only bus may"));
        }
    }
    for (name, dependencies) in &harness.outside {
        for edge in dependencies
            .iter()
            .filter(|edge| PURE.contains(&name.as_str()) && EDGES.contains(&edge.as_str()))
        {
            broken.push(format!("{name} decides, and depends on {edge}"));
        }
        for (owned, owners) in OWNED {
            if dependencies.contains(owned) && !owners.contains(&name.as_str()) {
                broken.push(format!("{name} depends on {owned}; only {owners:?} may"));
            }
        }
    }
    broken
}

fn written(table: &Table) -> String {
    let mut text = String::from("| crate | may depend on |\n| --- | --- |\n");
    for (name, dependencies) in table.iter().filter(|(name, _)| *name != "xtask") {
        let list = dependencies.iter().cloned().collect::<Vec<_>>().join(", ");
        text.push_str(&format!(
            "| {name} | {} |\n",
            if list.is_empty() { "-" } else { &list }
        ));
    }
    text
}

#[test]
fn the_dependencies_are_those_of_the_table_in_architecture_md() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../ARCHITECTURE.md")).unwrap();
    let table = page
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(table, _)| table.trim());
    let actual = written(&harness().inside);
    assert_eq!(
        table.unwrap_or_default(),
        actual.trim(),
        "paste this into ARCHITECTURE.md:\n{actual}"
    );
}

#[test]
fn nobody_reaches_into_another_room() {
    assert_eq!(broken_rules(&harness()), Vec::<String>::new());
}

#[test]
fn a_planted_shortcut_is_found() {
    let mut harness = harness();
    harness
        .inside
        .get_mut("pusher")
        .unwrap()
        .insert("importer".to_owned());
    harness.inside.get_mut("cli").unwrap().insert("proto".to_owned());
    harness
        .outside
        .get_mut("provisioning")
        .unwrap()
        .insert("tokio".to_owned());
    harness
        .outside
        .get_mut("intake")
        .unwrap()
        .insert("async-nats".to_owned());
    assert_eq!(broken_rules(&harness).len(), 4);
}
