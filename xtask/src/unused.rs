//! Dependencies that no source file names.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::tools;

/// Checks every crate of the workspace.
pub(crate) fn check() -> anyhow::Result<()> {
    let metadata = tools::metadata()?;
    let mut unused = Vec::new();
    for package in metadata["packages"]
        .as_array()
        .context("cargo metadata names no packages")?
    {
        let manifest = Path::new(package["manifest_path"].as_str().unwrap_or_default());
        let sources = manifest.parent().map(sources).unwrap_or_default();
        let dependencies = package["dependencies"].as_array().into_iter().flatten();
        let names = dependencies.filter_map(|dependency| dependency["name"].as_str());
        // What prost generates names prost, and stands in no source file.
        let generated = |name: &&str| package["name"] == "proto" && *name == "prost";
        for name in unnamed(names.filter(|name| !generated(name)), &sources) {
            unused.push(format!(
                "{} names {name} in its manifest and in no source file",
                package["name"]
            ));
        }
    }
    if !unused.is_empty() {
        bail!("unused dependencies:\n  {}", unused.join("\n  "));
    }
    Ok(())
}

fn unnamed<'a>(names: impl Iterator<Item = &'a str>, sources: &str) -> Vec<&'a str> {
    names
        .filter(|name| !names_word(sources, &name.replace('-', "_")))
        .collect()
}

/// Whether a whole word of the sources is this one: `serde_json` does not name `serde`.
fn names_word(sources: &str, word: &str) -> bool {
    sources
        .split(|c: char| !c.is_alphanumeric() && c != '_')
        .any(|there| there == word)
}

/// Every source file of a crate, one after the other.
fn sources(folder: &Path) -> String {
    let mut all = String::new();
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.map(|entry| entry.path()) {
        let hidden = path
            .file_name()
            .is_some_and(|name| name == "target" || name.to_string_lossy().starts_with('.'));
        if path.is_dir() && !hidden {
            all.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            all.push_str(&fs::read_to_string(&path).unwrap_or_default());
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dependency_that_no_line_names_is_found() {
        let names = ["async-nats", "serde"].into_iter();
        assert_eq!(
            unnamed(names, "use async_nats::Client; use serde_json::Value;"),
            ["serde"]
        );
    }
}
