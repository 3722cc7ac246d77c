//! Our gateway and the servers of others, each as a process.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context as _;
use rollcall_tests::{Harness, TOKEN, free_port};
use tokio::process::{Child, Command};

use super::wire::{Ask, Connection, Target};

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: String,
    pub(crate) target: Target,
    /// A second org of the same server.
    pub(crate) other: Option<Target>,
    /// What is asked to see whether it still answers.
    pub(crate) health: Ask,
    pub(crate) harness: Option<Harness>,
    _process: Option<Child>,
}

fn get(path: &str) -> Ask {
    Ask {
        method: "GET",
        path: path.to_owned(),
        body: None,
    }
}

/// `rollcall up` with its own nats-server, which syncs each write, and two orgs.
pub(crate) async fn ours() -> anyhow::Result<Server> {
    let simulator = litmos_simulator::Settings::default();
    let more = format!(
        "apply = \"manual\"\n[[org]]\nid = \"other\"\nbase_url = \"http://127.0.0.1:1\"\ncompany = \"other\"\n\
         api_key = \"a-key\"\nscim_token = \"{TOKEN}\"\napply = \"manual\"\n"
    );
    let mut harness = Harness::new(simulator, &more).await;
    harness.up(&[("ROLLCALL_TELEMETRY__LOG_FILTER", "error")]).await;
    harness.bus().await;
    let target = |org: &str| Target {
        port: harness.scim_port,
        base: format!("/scim/{org}/v2"),
        token: TOKEN.to_owned(),
    };
    let server = Server {
        name: "rollcall".to_owned(),
        target: target("acme"),
        other: Some(target("other")),
        health: get("//health/ready"),
        harness: Some(harness),
        _process: None,
    };
    server.answers().await?;
    Ok(server)
}

/// Where `cargo xtask bench scim-peers` has put the servers of others.
fn installed() -> anyhow::Result<PathBuf> {
    let folder =
        std::env::var_os("ROLLCALL_SCIM_PEERS").context("run it by `cargo xtask bench scim-peers`")?;
    Ok(folder.into())
}

async fn process(name: &str, command: &mut Command, port: u16, base: &str) -> anyhow::Result<Server> {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true);
    let process = command
        .spawn()
        .with_context(|| format!("{name} cannot be started"))?;
    let target = Target {
        port,
        base: base.to_owned(),
        token: TOKEN.to_owned(),
    };
    let server = Server {
        name: name.to_owned(),
        target,
        other: None,
        health: get("/ServiceProviderConfig"),
        harness: None,
        _process: Some(process),
    };
    server.answers().await?;
    Ok(server)
}

pub(crate) async fn scim2_server() -> anyhow::Result<Server> {
    let port = free_port();
    let mut command = Command::new(installed()?.join("python/bin/scim2-server"));
    command.args(["--port", &port.to_string(), "--bearer-token", TOKEN]);
    process("scim2-server", &mut command, port, "/v2").await
}

pub(crate) async fn scimmy_routers() -> anyhow::Result<Server> {
    let port = free_port();
    let folder = installed()?.join("node");
    let mut command = Command::new("node");
    command
        .current_dir(folder)
        .args(["scimmy.mjs", &port.to_string(), TOKEN]);
    process("scimmy-routers", &mut command, port, "/v2").await
}

/// A server that somebody else started: `NAME=PORT,BASE,TOKEN`.
pub(crate) async fn running(message: &str) -> anyhow::Result<Server> {
    let parts = message
        .split_once('=')
        .map(|(name, rest)| (name, rest.splitn(3, ',').collect::<Vec<_>>()));
    let Some((name, [port, base, token])) = parts.as_ref().map(|(name, parts)| (*name, parts.as_slice()))
    else {
        anyhow::bail!("--peer {message}: write NAME=PORT,BASE,TOKEN, such as mine=8880,/v2,secret");
    };
    let server = Server {
        name: name.to_owned(),
        target: Target {
            port: port
                .parse()
                .with_context(|| format!("--peer {message}: {port} is no port"))?,
            base: (*base).to_owned(),
            token: (*token).to_owned(),
        },
        other: None,
        health: get("/ServiceProviderConfig"),
        harness: None,
        _process: None,
    };
    server.answers().await?;
    Ok(server)
}

impl Server {
    async fn answers(&self) -> anyhow::Result<()> {
        let mut last = String::new();
        for _ in 0..300 {
            let mut connection = Connection::to(&self.target);
            match connection.send(&get("/Users?count=1")).await {
                Ok((200, _)) => return Ok(()),
                Ok((status, body)) => last = format!("{status} {}", String::from_utf8_lossy(&body)),
                Err(error) => last = format!("{error:#}"),
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        anyhow::bail!("{} does not answer: {last}", self.name)
    }
}
