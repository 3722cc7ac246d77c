//! Our SCIM gateway and the servers of others, in one run and one table: theirs in memory, ours durable.
//!
//! Every server is a process of its own on this machine and has the machine for itself while it is measured; the load comes from
//! this process, the same for all. Arguments: `--people N` in the store, `--seconds N` for each point, `--large N` people for
//! the look-ups at ours alone (0: leave them out), `--peer NAME=PORT,BASE,TOKEN` for a server that runs already, `--ours` for our gateway
//! alone.

mod measures;
mod servers;
mod table;
mod wire;

use std::time::Duration;

use anyhow::Context as _;

use measures::{Measured, Store, creates};
use servers::Server;

/// What is asked for.
#[derive(Debug)]
struct Size {
    people: u64,
    large: u64,
    length: Duration,
    peers: Vec<String>,
    ours_alone: bool,
}

impl Size {
    fn output() -> anyhow::Result<Size> {
        let mut size = Size {
            people: 20_000,
            large: 200_000,
            length: Duration::from_secs(5),
            peers: Vec::new(),
            ours_alone: false,
        };
        let mut arguments = std::env::args();
        while let Some(name) = arguments.next() {
            let mut number = || -> anyhow::Result<u64> {
                let value = arguments
                    .next()
                    .with_context(|| format!("{name}: a number is missing"))?;
                value
                    .parse()
                    .with_context(|| format!("{name} {value}: this is no number"))
            };
            match name.as_str() {
                "--people" => size.people = number()?,
                "--ours" => size.ours_alone = true,
                "--large" => size.large = number()?,
                "--seconds" => size.length = Duration::from_secs(number()?),
                "--peer" => size
                    .peers
                    .push(arguments.next().context("--peer: a server is missing")?),
                _ => {}
            }
        }
        anyhow::ensure!(size.people > 1, "--people {}: at least 2 are needed", size.people);
        Ok(size)
    }
}

/// One column of the table.
#[derive(Debug)]
struct Column {
    name: String,
    measured: Measured,
}

async fn measure(server: &Server, size: &Size) -> anyhow::Result<(Column, Store)> {
    eprintln!("{}: {} people are put in", server.name, size.people);
    let store = Store::fill(&server.target, size.people).await?;
    eprintln!("{}: measuring", server.name);
    let mut measured = store.look_ups(&server.target, size.length).await?;
    measured.extend(store.odd_filters(server, size.length).await?);
    measured.extend(store.members(&server.target, size.length).await?);
    measured.extend(creates(server, size.length).await?);
    let name = server.name.clone();
    Ok((Column { name, measured }, store))
}

pub(crate) async fn scim_peers() -> anyhow::Result<()> {
    let size = Size::output()?;
    let mut columns = Vec::new();
    let ours = servers::ours().await?;
    let (column, mut store) = measure(&ours, &size).await?;
    columns.push(column);
    if size.large > size.people {
        eprintln!("{}: growing to {} people", ours.name, size.large);
        store.grow(&ours.target, size.large).await?;
        let mut measured = store.look_ups(&ours.target, size.length).await?;
        measured.extend(store.odd_filters(&ours, size.length).await?);
        let name = format!("at {}", size.large);
        columns.push(Column { name, measured });
    }
    if let Some(mut harness) = ours.harness {
        harness.kill().await;
    }
    if !size.ours_alone {
        let (column, _) = measure(&servers::scim2_server().await?, &size).await?;
        columns.push(column);
        let (column, _) = measure(&servers::scimmy_routers().await?, &size).await?;
        columns.push(column);
    }
    for peer in &size.peers {
        let (column, _) = measure(&servers::running(peer).await?, &size).await?;
        columns.push(column);
    }
    println!("{}", table::figures(&columns, size.people));
    println!("\n{}", table::goals(&columns));
    Ok(())
}
