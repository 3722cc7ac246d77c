//! `cargo xtask bench scim-peers`: installs the servers with which the SCIM gateway is compared, in pinned versions,
//! into `.tools/`.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::Context as _;

use crate::{root, succeed};

/// Installs missing programs and returns their folder.
pub(crate) fn install() -> anyhow::Result<PathBuf> {
    let source = root().join("tests/peers/scim");
    let folder = root().join(".tools/scim-peers");
    let node = folder.join("node");
    fs::create_dir_all(&node)?;
    for file in ["package.json", "package-lock.json", "scimmy.mjs"] {
        fs::copy(source.join(file), node.join(file)).with_context(|| format!("{file} cannot be copied"))?;
    }
    if !node.join("node_modules").is_dir() {
        eprintln!("installing scimmy-routers into .tools");
        let mut npm = Command::new("npm");
        npm.args(["ci", "--silent", "--no-audit", "--no-fund"])
            .current_dir(&node)
            .stdout(Stdio::null());
        succeed(&mut npm).context("scimmy-routers wants Node 20 or newer with npm")?;
    }
    let python = folder.join("python");
    if !python.join("bin/scim2-server").is_file() {
        eprintln!("installing scim2-server into .tools");
        succeed(Command::new("python3").args(["-m", "venv"]).arg(&python))
            .context("scim2-server wants Python 3.11 or newer with venv")?;
        let mut pip = Command::new(python.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "--quiet",
            "--disable-pip-version-check",
            "install",
            "--no-deps",
        ])
        .arg("--requirement")
        .arg(source.join("requirements.txt"));
        succeed(&mut pip).context("scim2-server cannot be installed")?;
    }
    Ok(folder)
}
