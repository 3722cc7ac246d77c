//! A nats-server that can be killed and restarted at the same address.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use bus::{NatsConnection, find_binary};
use tokio::process::{Child, Command};

/// A server with its own data folder.
#[derive(Debug)]
pub struct Nats {
    folder: tempfile::TempDir,
    port: u16,
    child: Child,
}

const TOKEN: &str = "a-token-for-the-bus";

impl Nats {
    /// Starts a server that syncs every write.
    pub async fn start() -> Nats {
        let folder = tempfile::tempdir().expect("a folder");
        let port = crate::free_port();
        let config = format!(
            "listen: \"127.0.0.1:{port}\"\nauthorization {{ token: \"{TOKEN}\" }}\n\
             jetstream {{ store_dir: {:?}, sync_interval: always }}\n",
            folder.path().join("jetstream")
        );
        std::fs::write(folder.path().join("nats.conf"), config).expect("settings are written");
        let child = Nats::spawn(&folder.path().join("nats.conf"));
        let nats = Nats { folder, port, child };
        nats.listens().await;
        nats
    }

    fn spawn(config: &PathBuf) -> Child {
        Command::new(find_binary().expect("nats-server is installed"))
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("nats-server starts")
    }

    async fn listens(&self) {
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub fn connection(&self) -> NatsConnection {
        NatsConnection {
            url: format!("nats://127.0.0.1:{}", self.port),
            token: Some(TOKEN.to_owned()),
        }
    }

    /// Environment variables that make a service use this server.
    pub fn environment(&self) -> Vec<(String, String)> {
        let connection = self.connection();
        vec![
            ("ROLLCALL_NATS__URL".to_owned(), connection.url),
            ("ROLLCALL_NATS__TOKEN".to_owned(), TOKEN.to_owned()),
        ]
    }

    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Kills the server without warning, and restarts it with the same data after `away`.
    pub async fn kill_and_restart(&mut self, away: Duration) {
        self.child.kill().await.expect("a process of ours can be killed");
        tokio::time::sleep(away).await;
        self.child = Nats::spawn(&self.folder.path().join("nats.conf"));
        self.listens().await;
    }
}
