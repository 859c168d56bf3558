//! docs/troubleshooting.md is true: each symptom is brought about with `gst-launch-1.0` in a network of its own, and
//! what is printed stands in the text.

use std::{
    fs,
    io::Read as _,
    process::{Command, Stdio},
};

use common::{folder::Folder, namespace::Namespace, pipeline::wait_until, plugin, process::Process};

mod common;

const PICTURES: &str =
    "videotestsrc is-live=true pattern=ball ! video/x-raw,width=320,height=240,framerate=15/1 ! jpegenc";
const READER: &str = "mjpegclientsrc user-id=me user-pw=hush location=http://127.0.0.1:8080/stream";

#[test]
fn port_in_use() {
    let house = House::new();
    let _server = house.server("");
    house.sees("is in use", &format!("{PICTURES} ! mjpegserversink"));
}

#[test]
fn another_computer_cannot_connect() {
    let house = House::new();
    house.network.run("ip", &["address", "add", "10.77.0.1/32", "dev", "lo"]);
    let server = house.server("");
    assert_eq!(house.code("http://10.77.0.1:8080/status"), "000");
    drop(server);
    let _server = house.server("host=0.0.0.0");
    assert_eq!(house.code("http://10.77.0.1:8080/status"), "200");
    assert!(TEXT.contains("the server listens on 127.0.0.1 only") && TEXT.contains("`host=0.0.0.0`"));
}

#[test]
fn another_name() {
    let house = House::new();
    let _server = house.server("");
    assert_eq!(house.code("http://localhost:8080/status"), "200");
    assert_eq!(house.code("http://camera.example.com:8080/status"), "421");
    assert!(TEXT.contains("421, `this camera is for this machine only`"));
}

#[test]
fn no_picture_yet() {
    let house = House::new();
    let _server = house.play("appsrc ! image/jpeg ! mjpegserversink");
    house.wait_for_server();
    assert_eq!(house.code("http://127.0.0.1:8080/snapshot"), "503");
    assert!(TEXT.contains("`/snapshot` answers 503"));
}

#[test]
fn raw_pictures() {
    House::new().sees("could not link", "videotestsrc ! mjpegserversink port=0");
}

#[test]
fn pieces_of_pictures() {
    let house = House::new();
    let film = house.folder.path("film.mjpeg");
    house.does(&format!("videotestsrc num-buffers=9 ! jpegenc ! filesink location={film}"));
    house.sees(
        "it is not a JPEG picture",
        "fakesrc num-buffers=3 sizetype=fixed filltype=zero ! image/jpeg ! mjpegserversink port=0",
    );
    house.sees(
        "cut short",
        &format!("filesrc location={film} blocksize=1000 num-buffers=1 ! image/jpeg ! mjpegserversink port=0"),
    );
    house.does(&format!("filesrc location={film} blocksize=1000 ! jpegparse ! mjpegserversink port=0"));
}

/// The snapshot is what the encoder made, byte for byte, and black is no damage.
#[test]
fn black_pictures() {
    let house = House::new();
    let (black, seen) = (house.folder.path("black.jpg"), house.folder.path("seen.jpg"));
    let encoder = "video/x-raw,width=320,height=240,framerate=15/1 ! jpegenc";
    house.does(&format!("videotestsrc pattern=black num-buffers=1 ! {encoder} ! filesink location={black}"));
    let _server = house.play(&format!("videotestsrc is-live=true pattern=black ! {encoder} ! mjpegserversink"));
    house.wait_for_server();
    wait_until("a picture", || house.code("http://127.0.0.1:8080/health") == "200");
    house.network.run("curl", &["--silent", "--output", &seen, "http://127.0.0.1:8080/snapshot"]);
    assert!(fs::read(&black).expect("it was made") == fs::read(&seen).expect("it was fetched"));
    assert!(TEXT.contains("`/snapshot` is the picture exactly as it came"));
}

#[test]
fn refusals() {
    let house = House::new();
    house.sees("cannot connect to", &format!("{READER} retries=1 ! fakesink"));
    let _server = house.server("user-id=me user-pw=hush");
    let stranger = READER.replace("user-id=me user-pw=hush", "");
    house.sees("answered 401 Unauthorized", &format!("{stranger} ! fakesink"));
    let page = READER.replace("/stream", "/");
    house.sees("which is not a stream of JPEG pictures", &format!("{page} ! fakesink"));
}

#[test]
fn players_that_buffer() {
    let house = House::new();
    let _server = house.server("");
    let play = |url: &str, words: &str| {
        let mut command = house.network.command("timeout");
        command.args(["60", "gst-play-1.0", "--videosink=fakesink", url]).stdin(Stdio::null()).stderr(Stdio::null());
        house.prints(plugin::give(&mut command), words)
    };
    assert!(play("http://127.0.0.1:8080/stream", "Buffering... "));
    assert!(play("mjpeg+http://127.0.0.1:8080/stream", "Pipeline is live."));
    assert!(TEXT.contains("`Buffering...`") && TEXT.contains("`mjpeg+http://`"));
}

/// A life of both elements, in a relay: each level says more, no picture is louder than level 6, and nobody reads a
/// password.
#[test]
fn what_is_logged() {
    let house = House::new();
    for level in [4, 6] {
        let server = house.server("user-id=me user-pw=hush");
        let log = house.folder.path(&format!("{level}.txt"));
        let debug = format!("mjpeg*:{level}");
        let variables = [("GST_DEBUG", debug.as_str()), ("GST_DEBUG_FILE", &log), ("GST_DEBUG_NO_COLOR", "1")];
        let count = |line: &str| fs::read_to_string(&log).unwrap_or_default().matches(line).count();
        let relay =
            format!("{READER}?token=hush ! mjpegserversink port=8081 user-id=me user-pw=hush timeout=500000000");
        let relay = house.start(&variables, &relay);
        wait_until("the relay", || house.code("http://127.0.0.1:8081/health") == "200");
        house.does(&format!("{} num-buffers=3 ! fakesink", READER.replace("8080", "8081")));
        assert_eq!(house.code("http://127.0.0.1:8081/stream?token=hush"), "401");
        let _slow = house.slow_viewer("http://me:hush@127.0.0.1:8081/stream");
        wait_until("the slow viewer has gone", || count("left: stalled, after") == 1);
        drop(server);
        wait_until("the loss", || count("lost: ") > 0);
        let _server = house.server("user-id=me user-pw=hush");
        wait_until("the return", || count("connected to") == 2);
        house.interrupt(&relay);
        wait_until("the end", || count("stopped: ") == 2);
        let log = fs::read_to_string(&log).expect("it was there");
        for line in LIFE {
            assert!(log.contains(line), "no \"{line}\" in {log}");
            assert!(TEXT.contains(line), "docs/troubleshooting.md does not have \"{line}\"");
        }
        assert!(!log.contains("hush"), "{log}");
        assert_eq!(log.contains("picture of"), level == 6, "{log}");
        assert!(level == 6 || log.lines().count() < 40, "{log}");
    }
}

const LIFE: &[&str] = &[
    "listening on 127.0.0.1:",
    "the pipeline is live, pictures leave on arrival",
    "pictures are ",
    " came, layout standard; ",
    "left: closed",
    "left: stalled, after ",
    " asked for /stream: 401, this camera wants ",
    " pictures came, 0 damaged; viewers had ",
    "asks for http://",
    "connected to ",
    "the stream has the delimiter \"--frame\", right lengths",
    "lost: the server closed the stream; attempt 1 in ",
    " skipped, ",
];

/// The state of both elements, and no password.
#[test]
fn what_graphs_show() {
    let house = House::new();
    let _server = house.server("user-id=me user-pw=hush");
    let graphs = house.folder.path("graphs");
    fs::create_dir(&graphs).expect("the folder is new");
    // The server itself plays the proxy.
    let relay = format!(
        "{READER} proxy=127.0.0.1:8080 proxy-id=me proxy-pw=hush ! mjpegserversink port=8081 user-id=me user-pw=hush \
         token=hush"
    );
    let relay = house.start(&[("GST_DEBUG_DUMP_DOT_DIR", &graphs)], &relay);
    let graph = |name: &str| -> Option<String> {
        let mut files = fs::read_dir(&graphs).expect("it is there").map(|file| file.expect("readable").path());
        fs::read_to_string(files.find(|path| path.to_string_lossy().contains(name))?).ok()
    };
    wait_until("the graph", || graph("PAUSED_PLAYING").is_some_and(|graph| graph.ends_with("}\n")));
    let graph = graph("PAUSED_PLAYING").expect("it was there");
    for word in ["current-port=8081", "server-stats=", "user-id=", "location=", "proxy-id=", "stats=", "image/jpeg"] {
        assert!(graph.contains(word), "no {word} in {graph}");
    }
    assert!(!graph.contains("hush"), "{graph}");
    drop(relay);
}

const TEXT: &str = include_str!("../docs/troubleshooting.md");

/// A network, and a folder for what is written.
struct House {
    network: Namespace,
    folder: Folder,
}

impl House {
    #[track_caller]
    fn new() -> Self {
        Self { network: Namespace::with_names(&["camera", "camera.example.com"]), folder: Folder::new() }
    }

    #[track_caller]
    fn start(&self, variables: &[(&str, &str)], pipeline: &str) -> Process {
        let mut command = self.network.command("gst-launch-1.0");
        command.arg("-q").args(pipeline.split_whitespace()).envs(variables.iter().copied()).stderr(Stdio::null());
        Process::start(plugin::give(&mut command))
    }

    #[track_caller]
    fn play(&self, pipeline: &str) -> Process {
        self.start(&[], pipeline)
    }

    /// A server that has pictures.
    #[track_caller]
    fn server(&self, properties: &str) -> Process {
        let server = self.play(&format!("{PICTURES} ! mjpegserversink {properties}"));
        self.wait_for_server();
        wait_until("a picture", || self.code("http://127.0.0.1:8080/health") == "200");
        server
    }

    #[track_caller]
    fn wait_for_server(&self) {
        wait_until("the server", || self.code("http://127.0.0.1:8080/icon.svg") != "000");
    }

    /// Runs a pipeline to its end: it prints these words, which the text has too.
    #[track_caller]
    fn sees(&self, words: &str, pipeline: &str) {
        let (_, printed) = self.run(pipeline);
        assert!(printed.contains(words), "{pipeline} prints: {printed}");
        assert!(TEXT.contains(words), "docs/troubleshooting.md does not have \"{words}\"");
    }

    /// Runs a pipeline to its end, with nothing to complain of.
    #[track_caller]
    fn does(&self, pipeline: &str) {
        let (succeeds, printed) = self.run(pipeline);
        let complains = printed.contains("ERROR") || printed.contains("WARNING");
        assert!(succeeds && !complains, "{pipeline} prints: {printed}");
    }

    #[track_caller]
    fn run(&self, pipeline: &str) -> (bool, String) {
        let mut command = self.network.command("timeout");
        // With -q it would say nothing of warnings.
        command.args(["30", "gst-launch-1.0"]).args(pipeline.split_whitespace());
        let output = plugin::give(&mut command).stdin(Stdio::null()).output().expect("nsenter is there");
        let printed = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert_ne!(output.status.code(), Some(124), "{pipeline} does not end: {printed}");
        (output.status.success(), printed)
    }

    /// Runs a program until it has printed these words; whether it did before its end.
    #[track_caller]
    fn prints(&self, command: &mut Command, words: &str) -> bool {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("nsenter is there");
        let (mut printed, mut space) = (Vec::new(), [0; 4096]);
        let mut stdout = child.stdout.take().expect("it was asked for");
        let found = loop {
            match stdout.read(&mut space).expect("it can be read") {
                0 => break false,
                count => printed.extend_from_slice(&space[..count]),
            }
            if String::from_utf8_lossy(&printed).contains(words) {
                break true;
            }
        };
        // timeout passes this on.
        let _ = Command::new("kill").arg(child.id().to_string()).status();
        child.wait().expect("it is ours");
        found
    }

    /// A viewer that takes no more after a little.
    #[track_caller]
    fn slow_viewer(&self, url: &str) -> Process {
        Process::start(self.network.command("curl").args([
            "--silent",
            "--limit-rate",
            "1k",
            "--output",
            "/dev/null",
            url,
        ]))
    }

    /// Ends a pipeline as Ctrl-C does.
    #[track_caller]
    fn interrupt(&self, pipeline: &Process) {
        self.network.run("kill", &["-INT", &pipeline.id().to_string()]);
    }

    /// The status of an answer, 000 for none.
    #[track_caller]
    fn code(&self, url: &str) -> String {
        let mut curl = self.network.command("curl");
        curl.args(["--silent", "--output", "/dev/null", "--write-out", "%{http_code}", url]);
        String::from_utf8(curl.output().expect("curl is there").stdout).expect("a number")
    }
}
