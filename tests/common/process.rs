//! Programs that a test runs beside itself.

use std::{
    io::{BufRead, BufReader, Write},
    net::TcpListener,
    process::{Child, ChildStdin, Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use super::pipeline::wait_until;

/// A process that ends with its value.
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
}

impl Process {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let command = command.env_remove("G_DEBUG").stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}; run scripts/setup test"));
        let stdin = child.stdin.take();
        Self { child, stdin }
    }

    /// A script of `tests/peers`, by Debian's own Python: another one in PATH has none of the installed packages.
    #[track_caller]
    pub fn python(script: &str, arguments: &[&str]) -> Self {
        let script = format!("{}/tests/peers/{script}", env!("CARGO_MANIFEST_DIR"));
        Self::start(Command::new("/usr/bin/python3").arg(script).args(arguments))
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("it is ours").is_some()
    }

    /// Writes to the process what it waits for.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        let stdin = self.stdin.as_mut().expect("stdin is open");
        stdin.write_all(bytes).and_then(|()| stdin.flush()).expect("the process reads");
    }

    /// Says that no more is written.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// The first line that the process says.
    #[track_caller]
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        let stdout = self.child.stdout.take().expect("taken once");
        BufReader::new(stdout).read_line(&mut line).expect("the process speaks");
        line.trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A port that was free a moment ago, for programs that cannot choose one. The system gives it to no socket that asks
/// for any: not to those of other tests, nor to a client that asks at this port again and again while nobody listens
/// there, which would end up connected to itself, and keep it.
pub fn free_port() -> u16 {
    static TAKEN: AtomicU16 = AtomicU16::new(0);
    // Linux gives those from 32768 on, unless told otherwise.
    let first = 20_000 + u16::try_from(std::process::id() % 8_000).expect("it is small");
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    (first..32_000).skip(TAKEN.fetch_add(16, Ordering::Relaxed).into()).find(is_free).expect("a free port")
}

/// Waits until somebody listens on the port, without connecting to it: ffmpeg takes one connection only.
#[track_caller]
pub fn await_listener(port: u16) {
    // Local address 127.0.0.1 as the kernel shows it, any peer, state LISTEN.
    let line = format!(" 0100007F:{port:04X} 00000000:0000 0A ");
    wait_until("a listener", || std::fs::read_to_string("/proc/net/tcp").expect("Linux").contains(&line));
}
