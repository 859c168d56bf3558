//! A sink in a program of its own, by `gst-launch-1.0`, so that what it takes from the system can be limited and read.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpStream},
    process::Command,
};

use super::{
    folder::Folder,
    pipeline::wait_until,
    process::{Process, free_port},
};

/// A live camera in a program of its own.
pub struct Launched {
    process: Process,
    pub address: SocketAddr,
    folder: Folder,
}

/// The words that play this with the plugin that was built for these tests.
pub fn gst_launch(pipeline: &str) -> Vec<String> {
    let folder = std::env::current_exe().expect("a test is a program");
    let plugin = folder.with_file_name("libgstmjpeghttp.so");
    let load = format!("--gst-plugin-load={}", plugin.display());
    ["gst-launch-1.0", "--quiet", &load].into_iter().chain(pipeline.split(' ')).map(str::to_owned).collect()
}

impl Launched {
    /// A camera of 30 pictures a second with these properties of the sink, in a process that may have so many files.
    #[track_caller]
    pub fn start(properties: &str, files: u32) -> Self {
        let (folder, port) = (Folder::new(), free_port());
        let pipeline = format!("videotestsrc is-live=true ! jpegenc ! mjpegserversink port={port} {properties}");
        let process = Process::start(
            Command::new("sh")
                .args(["-c", &format!("ulimit -n {files} && exec \"$@\""), "sh"])
                .args(gst_launch(pipeline.trim_end()))
                .env("GST_REGISTRY", folder.path("registry.bin"))
                // Its log has what is posted on the bus.
                .env("GST_DEBUG", "GST_ERROR_SYSTEM:4")
                .env("GST_DEBUG_FILE", folder.path("log.txt")),
        );
        let address = (Ipv4Addr::LOCALHOST, port).into();
        wait_until("the camera", || TcpStream::connect(address).is_ok());
        Self { process, address, folder }
    }

    /// Bytes of memory that it has in use.
    #[track_caller]
    pub fn memory(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("Linux says so");
        1024 * line.split_whitespace().next().and_then(|number| number.parse::<usize>().ok()).expect("a number")
    }

    /// Whether it has posted such a message.
    #[track_caller]
    pub fn has_posted(&self, text: &str) -> bool {
        fs::read_to_string(self.folder.path("log.txt")).expect("it has a log").contains(text)
    }

    /// How many files it has open, sockets among them.
    #[track_caller]
    pub fn files(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.process.id())).expect("it runs").count()
    }
}
