//! A network of a test's own: every port is free in it, and names lead where the test wants.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
};

/// A network and mount namespace with nothing but a loopback interface. It ends with its value; what runs in it does
/// not.
pub struct Namespace(Child);

impl Namespace {
    /// One in which these names are 127.0.0.1.
    #[track_caller]
    pub fn with_names(names: &[&str]) -> Self {
        let mut command = Command::new("unshare");
        // Only root may do it without a user namespace, in which we are root.
        command.args(["--map-root-user", "--net", "--mount", "sh", "-euc", SETUP, "sh"]).args(names);
        Self::start(command)
    }

    /// A network of its own inside this one, as another host.
    #[track_caller]
    pub fn host(&self) -> Self {
        let mut command = self.command("unshare");
        command.args(["--net", "sh", "-euc", "ip link set lo up; echo ready; exec cat"]);
        Self::start(command)
    }

    #[track_caller]
    fn start(mut command: Command) -> Self {
        let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
        let mut child = child.unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let mut line = String::new();
        let stdout = child.stdout.take().expect("it was asked for");
        BufReader::new(stdout).read_line(&mut line).expect("the namespace speaks");
        assert_eq!(line, "ready\n", "a namespace needs unshare (util-linux), ip (iproute2), and to be allowed");
        Self(child)
    }

    /// A program that runs in it.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        let target = self.pid();
        command.args(["--target", &target, "--user", "--preserve-credentials", "--net", "--mount"]);
        // That changes the folder; this changes back.
        command.arg(format!("--wd={}", env!("CARGO_MANIFEST_DIR"))).arg(program);
        command
    }

    /// The process that keeps it, by which other programs name it.
    pub fn pid(&self) -> String {
        self.0.id().to_string()
    }

    /// Runs a program in it that has to succeed.
    #[track_caller]
    pub fn run(&self, program: &str, arguments: &[&str]) {
        let status = self.command(program).args(arguments).status().expect("nsenter is there");
        assert!(status.success(), "{program} {arguments:?}");
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Ends when its input does, so with the test at the latest.
const SETUP: &str = r#"
ip link set lo up
hosts=$(mktemp)
echo "127.0.0.1 localhost $*" >"$hosts"
mount --bind "$hosts" /etc/hosts
rm "$hosts"
echo ready
exec cat
"#;
