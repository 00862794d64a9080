//! Runs the real binary on folders of its own.

// Each test binary uses a part of this.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used)]

use std::{
    fs,
    io::{BufRead, BufReader},
    net::{SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Output, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

pub const PATIENCE: Duration = Duration::from_secs(60);

/// A node's folder.
pub struct Home {
    root: TempDir,
    pub address: SocketAddr,
}

impl Home {
    /// A place for a folder, and an address that nobody uses.
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        Self { root: tempfile::tempdir().unwrap(), address: socket.local_addr().unwrap() }
    }

    /// A chain of its own whose blocks take next to no work.
    pub fn easy() -> Self {
        let home = Self::new();
        succeed(&home.init(&[]));
        home.change_genesis(&[("0x1e003fff", "0x207fffff")]);
        home
    }

    /// Says something else in the genesis document, wherever it stands there.
    pub fn change_genesis(&self, changes: &[(&str, &str)]) {
        let mut genesis = fs::read_to_string(self.file("genesis.toml")).unwrap();
        for (old, new) in changes {
            assert!(genesis.contains(old), "{old} in {genesis}");
            genesis = genesis.replace(old, new);
        }
        fs::write(self.file("genesis.toml"), genesis).unwrap();
    }

    pub fn path(&self) -> PathBuf {
        self.root.path().join("node")
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_health-chain"));
        command.env_remove("HEALTH_CHAIN_LOG").arg("--dir").arg(self.path()).args(arguments);
        command
    }

    pub fn output(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    pub fn init(&self, arguments: &[&str]) -> Output {
        let address = self.address.to_string();
        self.output(&[&["init", "--listen", &address], arguments].concat())
    }

    pub fn status(&self) -> Value {
        self.json(&["status", "--json"])
    }

    /// What a command prints that prints JSON.
    pub fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&succeed(&self.output(arguments))).unwrap()
    }

    /// The owner's identity key.
    pub fn identity(&self) -> String {
        let shown = succeed(&self.output(&["keys", "show"]));
        shown.lines().find_map(|line| line.strip_prefix("identity")).unwrap().trim().into()
    }

    /// Starts the node and waits until it takes connections.
    pub fn run(&self, arguments: &[&str]) -> Running {
        let mut child = self.command(&[&["run"], arguments].concat()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut log = String::new();
        while !log.contains("accepting connections") {
            assert_ne!(stderr.read_line(&mut log).unwrap(), 0, "the node ended with: {log}");
        }
        // Read on all the time: a node whose log nobody takes away waits for somebody to do it.
        let log = Arc::new(Mutex::new(log));
        let reader = thread::spawn({
            let log = Arc::clone(&log);
            move || {
                let mut line = String::new();
                while stderr.read_line(&mut line).unwrap() > 0 {
                    log.lock().unwrap().push_str(&line);
                    line.clear();
                }
            }
        });
        Running { child, log, reader: Some(reader) }
    }
}

/// A node that runs. Killed when the test fails.
pub struct Running {
    child: Child,
    log: Arc<Mutex<String>>,
    reader: Option<JoinHandle<()>>,
}

impl Running {
    /// Whether it has logged this.
    pub fn has_said(&self, words: &str) -> bool {
        self.log.lock().unwrap().contains(words)
    }

    /// Presses Ctrl-C, and returns how the node ended and what it had logged.
    pub fn interrupt(mut self) -> (ExitStatus, String) {
        let sent = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
        let status = self.child.wait().unwrap();
        self.reader.take().unwrap().join().unwrap();
        (status, self.log.lock().unwrap().clone())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Fails where it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a command printed that must have succeeded.
pub fn succeed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a command said that must have failed.
pub fn fail(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stdout));
    let said = String::from_utf8(output.stderr.clone()).unwrap();
    assert!(said.starts_with("error: "), "{said}");
    said
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "it has not come about that {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

pub fn is_private(file: &Path) -> bool {
    std::os::unix::fs::PermissionsExt::mode(&file.metadata().unwrap().permissions()) & 0o077 == 0
}
