//! The embedded nats-server: a child process that ends with its parent.
//!
//! A parent that is killed cannot stop its child. So the child runs under a small shell that holds the other end of a pipe. When
//! the parent ends in any way, the pipe closes and the shell stops the server.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::process::{Child, ChildStdin, Command};
use tokio::time::Instant;

use crate::connection::{CONNECTION_FILE, NatsConnection};

/// How long the server may take until it listens.
const START: Duration = Duration::from_secs(10);

/// How long an earlier server on the same data may take to end.
const PREDECESSOR: Duration = Duration::from_secs(10);

/// Shell script that stops the server when standard input closes.
const SHELL: &str = r#"exec 3<&0
"$0" --config "$1" --pid "$2" & server=$!
(cat <&3 >/dev/null; kill "$server" 2>/dev/null) &
wait "$server""#;

#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error(
        "no nats-server was found in ROLLCALL_NATS_SERVER, on PATH or in .tools; run `cargo xtask tools`, install \
         nats-server 2.12 or newer, or set [nats] url to one that runs"
    )]
    NotFound,
    #[error("the data directory {} cannot be used ([nats] data_dir)", path.display())]
    DataDir {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("nats-server ({}) cannot be started", binary.display())]
    Spawn {
        binary: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("nats-server did not start in {}s; its own words are in {}", START.as_secs(), log.display())]
    Silent { log: PathBuf },
    #[error("another nats-server (process {pid}) still uses {}; stop the Rollcall it belongs to", data_dir.display())]
    InUse { pid: u32, data_dir: PathBuf },
}

#[derive(Debug, Serialize, Deserialize)]
struct ConnectionFile {
    url: String,
    token: Option<String>,
}

/// Variable for the number of processors that Go uses at once. Processing a message takes less time than waking another processor.
/// With one processor there are 10 % more grants per second, and a start with 200,000 people takes no longer.
const PROCESSORS: &str = "GOMAXPROCS";

/// A running nats-server with JetStream on a data directory.
#[derive(Debug)]
pub struct NatsServer {
    child: Child,
    /// Our end of the pipe. The server ends when it closes. It is not left in `child`, because waiting for the child would close it.
    pipe: Option<ChildStdin>,
    connection: NatsConnection,
    data_dir: PathBuf,
}

/// Finds the binary of nats-server.
///
/// # Errors
/// [`ServerError::NotFound`] with the places that were searched.
pub fn find_binary() -> Result<PathBuf, ServerError> {
    if let Some(path) = std::env::var_os("ROLLCALL_NATS_SERVER") {
        return Some(PathBuf::from(path))
            .filter(|path| path.is_file())
            .ok_or(ServerError::NotFound);
    }
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&on_path).map(|dir| dir.join("nats-server"));
    let here = std::env::current_dir().ok();
    let exe = std::env::current_exe().ok();
    let above = |start: &Option<PathBuf>| -> Vec<PathBuf> {
        let ancestors = start.iter().flat_map(|path| path.ancestors());
        ancestors.map(|dir| dir.join(".tools/nats-server")).collect()
    };
    on_path
        .chain(above(&here))
        .chain(above(&exe))
        .find(|path| path.is_file())
        .ok_or(ServerError::NotFound)
}

impl NatsServer {
    /// Starts a server on this data directory and waits until it listens.
    ///
    /// # Errors
    /// See [`ServerError`].
    pub async fn start(data_dir: &Path) -> Result<NatsServer, ServerError> {
        let binary = find_binary()?;
        let unusable = |source| ServerError::DataDir {
            path: data_dir.to_owned(),
            source,
        };
        fs::create_dir_all(data_dir).map_err(unusable)?;
        fs::set_permissions(data_dir, fs::Permissions::from_mode(0o700)).map_err(unusable)?;
        let data_dir = fs::canonicalize(data_dir).map_err(unusable)?;
        await_predecessor(&data_dir).await?;
        // Until this server listens, no process may find the address of the last one.
        let _ = fs::remove_file(data_dir.join(CONNECTION_FILE));
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .map_err(unusable)?
            .port();
        let token = format!(
            "{}{}",
            uuid::Uuid::new_v4().simple(),
            uuid::Uuid::new_v4().simple()
        );
        let config = data_dir.join("nats.conf");
        write_private(&config, &configuration(port, &token, &data_dir)).map_err(unusable)?;
        let log = data_dir.join("nats-server.log");
        let log_file = fs::File::create(&log).map_err(unusable)?;
        let mut child = Command::new("sh")
            .env(
                PROCESSORS,
                std::env::var_os(PROCESSORS).unwrap_or_else(|| "1".into()),
            )
            .arg("-c")
            .arg(SHELL)
            .arg(&binary)
            .arg(&config)
            .arg(data_dir.join("nats.pid"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log_file)
            .process_group(0)
            .spawn()
            .map_err(|source| ServerError::Spawn {
                binary: binary.clone(),
                source,
            })?;
        let connection = NatsConnection {
            url: format!("nats://127.0.0.1:{port}"),
            token: Some(token.clone()),
        };
        let pipe = child.stdin.take();
        let mut server = NatsServer {
            child,
            pipe,
            connection,
            data_dir: data_dir.clone(),
        };
        server.await_listening(port, &log).await?;
        let text = serde_json::to_string(&ConnectionFile {
            url: server.connection.url.clone(),
            token: Some(token),
        });
        write_private(&data_dir.join(CONNECTION_FILE), &text.unwrap_or_default()).map_err(unusable)?;
        Ok(server)
    }

    pub fn connection(&self) -> &NatsConnection {
        &self.connection
    }

    /// The process id of the server.
    pub fn pid(&self) -> Option<u32> {
        pid_in(&self.data_dir)
    }

    /// Returns when the server has ended by itself.
    pub async fn ended(&mut self) {
        // An error here means that there is no child to wait for: it has ended as well.
        let _ = self.child.wait().await;
    }

    /// Stops the server and waits until it is gone.
    pub async fn stop(mut self) {
        drop(self.pipe.take());
        let _ = tokio::time::timeout(PREDECESSOR, self.child.wait()).await;
        let _ = fs::remove_file(self.data_dir.join(CONNECTION_FILE));
    }

    async fn await_listening(&mut self, port: u16, log: &Path) -> Result<(), ServerError> {
        let deadline = Instant::now() + START;
        while Instant::now() < deadline {
            if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
                return Ok(());
            }
            if matches!(self.child.try_wait(), Ok(Some(_)) | Err(_)) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Err(ServerError::Silent { log: log.to_owned() })
    }
}

fn configuration(port: u16, token: &str, data_dir: &Path) -> String {
    format!(
        "listen: \"127.0.0.1:{port}\"\n\
         max_payload: 2MB\n\
         authorization {{ token: \"{token}\" }}\n\
         jetstream {{\n  store_dir: \"{}\"\n  sync_interval: always\n}}\n",
        data_dir.join("jetstream").display()
    )
}

fn write_private(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())
}

fn pid_in(data_dir: &Path) -> Option<u32> {
    fs::read_to_string(data_dir.join("nats.pid"))
        .ok()?
        .trim()
        .parse()
        .ok()
}

/// True if this process is a nats-server that runs on this directory. The system may have given the id to another process.
fn runs_here(pid: u32, data_dir: &Path) -> bool {
    fs::read(format!("/proc/{pid}/cmdline"))
        .is_ok_and(|line| String::from_utf8_lossy(&line).contains(&*data_dir.to_string_lossy()))
}

async fn await_predecessor(data_dir: &Path) -> Result<(), ServerError> {
    let Some(pid) = pid_in(data_dir) else {
        return Ok(());
    };
    let deadline = Instant::now() + PREDECESSOR;
    while runs_here(pid, data_dir) {
        if Instant::now() >= deadline {
            return Err(ServerError::InUse {
                pid,
                data_dir: data_dir.to_owned(),
            });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok(())
}
