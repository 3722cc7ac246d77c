//! The program as a person starts it.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use litmos_simulator::read_log;

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_litmos-simulator"));
    command.env_remove("LITMOS_SIMULATOR_API_KEY");
    command
}

#[test]
fn it_says_where_it_listens_logs_whole_lines_and_survives_nothing_less_than_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("requests.jsonl");
    let mut child = program()
        .args([
            "--listen",
            "127.0.0.1:0",
            "--api-key",
            "k",
            "--limit",
            "2",
            "--window",
            "rolling",
            "--users",
            "3",
        ])
        .args([
            "--mode",
            "put=merge",
            "--fault",
            "status=500,path=/teams",
            "--log",
        ])
        .arg(&log)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let base = ready
        .trim()
        .strip_prefix("listening on ")
        .expect(&ready)
        .to_owned();
    let statuses = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(async {
            let client = reqwest_client();
            let mut statuses = Vec::new();
            for path in ["users", "teams", "users"] {
                let request = client
                    .get(format!("{base}/v1.svc/{path}?source=x&format=json"))
                    .header("apikey", "k");
                statuses.push(request.send().await.unwrap().status().as_u16());
            }
            statuses
        });
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(statuses, [200, 500, 503]);
    let lines = read_log(&std::fs::read_to_string(&log).unwrap()).unwrap();
    assert_eq!(
        lines.iter().map(|line| line.status).collect::<Vec<_>>(),
        [Some(200), Some(500), Some(503)]
    );
    assert!(lines[2].refused);
}

fn reqwest_client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::new()
}

#[test]
fn a_stop_signal_ends_it_well() {
    let mut child = program()
        .args(["--listen", "127.0.0.1:0", "--api-key", "k"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut ready = String::new();
    BufReader::new(child.stdout.take().unwrap())
        .read_line(&mut ready)
        .unwrap();
    let stopped = Command::new("kill")
        .args(["-TERM", &child.id().to_string()])
        .status()
        .unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn all_mistyped_modes_are_told_at_once_and_faults_by_their_names() {
    let stderr = |arguments: &[&str]| {
        let output = program()
            .args(["--listen", "127.0.0.1:0", "--api-key", "k"])
            .args(arguments)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8(output.stderr).unwrap()
    };
    let modes = stderr(&["--mode", "put=patch", "--mode", "speed=fast"]);
    assert!(
        modes.contains("replace, merge") && modes.contains("no mode `speed`"),
        "{modes}"
    );
    assert!(stderr(&["--fault", "explode"]).contains("cut_before_acting"));
    assert!(stderr(&["--window", "sliding"]).contains("rolling"));
}

#[test]
fn the_help_names_every_mode_and_every_fault() {
    let output = program().arg("--help").output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for (name, values) in litmos_simulator::Modes::ALL {
        assert!(help.contains(&format!("{name}={}", values.join("|"))), "{name}");
    }
    for fault in litmos_simulator::Fault::NAMES {
        assert!(help.contains(fault), "{fault}");
    }
}
