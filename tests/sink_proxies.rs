//! Web servers in front of the sink, with the configurations of docs/proxies.md.

use std::{
    fs,
    io::Read,
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
};

use common::{
    certificate::Certificate,
    folder::Folder,
    pipeline::{Camera, DEADLINE, numbered, pictures, wait_until},
    process::{Process, free_port},
};

mod common;

/// What viewers call the web server.
const NAME: &str = "camera.example.com";

#[test]
fn nginx_passes_on_each_picture_at_once() {
    passes_on(&Proxy {
        section: "nginx",
        preamble: "daemon off; master_process off; pid {folder}/pid; error_log stderr emerg; events { }
             http {
             access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
             fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;",
        end: "}",
        unix: ("http://127.0.0.1:8080", "http://unix:{socket}"),
        command: &["nginx", "-e", "stderr", "-c", "{file}"],
    });
}

#[test]
fn haproxy_passes_on_each_picture_at_once() {
    passes_on(&Proxy {
        section: "HAProxy",
        preamble: "",
        end: "",
        unix: ("127.0.0.1:8080", "unix@{socket}"),
        command: &["/usr/sbin/haproxy", "-q", "-db", "-f", "{file}"],
    });
}

#[test]
fn caddy_passes_on_each_picture_at_once() {
    passes_on(&Proxy {
        section: "Caddy",
        preamble: "{
             admin off
             auto_https disable_redirects
             storage file_system {folder}/caddy
             log {
                 output discard
             }
             }",
        end: "",
        unix: ("127.0.0.1:8080", "unix/{socket}"),
        command: &["caddy", "run", "--adapter", "caddyfile", "--config", "{file}"],
    });
}

#[test]
fn apache_passes_on_each_picture_at_once() {
    passes_on(&Proxy {
        section: "Apache",
        preamble: "ServerRoot /usr/lib/apache2
             ServerName camera
             PidFile {folder}/pid
             ErrorLog /dev/null
             DefaultRuntimeDir {folder}
             LoadModule mpm_event_module modules/mod_mpm_event.so
             LoadModule authz_core_module modules/mod_authz_core.so
             LoadModule ssl_module modules/mod_ssl.so
             LoadModule http2_module modules/mod_http2.so
             LoadModule proxy_module modules/mod_proxy.so
             LoadModule proxy_http_module modules/mod_proxy_http.so",
        end: "",
        unix: ("http://127.0.0.1:8080/", "unix:{socket}|http://camera/"),
        command: &["/usr/sbin/apache2", "-X", "-f", "{file}"],
    });
}

/// As OctoPi's image for printers has it: what listens at port 8080 is there below /webcam/, by the name that the
/// viewer knows.
#[test]
fn octopis_haproxy_shows_the_sink_below_webcam() {
    let configuration = "defaults
        mode http
        timeout connect 5s
        timeout client 15m
        timeout server 15m
        frontend public
        bind 127.0.0.1:{port}
        use_backend webcam if { path_beg /webcam/ }
        backend webcam
        http-request replace-path /webcam/(.*) /\\1
        server webcam1 127.0.0.1:8080";
    shows_below_webcam("OctoPi", "octopi.local", configuration, &["/usr/sbin/haproxy", "-q", "-db", "-f", "{file}"]);
}

/// As MainsailOS has it: by the name that its own configuration gives the camera.
#[test]
fn mainsails_nginx_shows_the_sink_below_webcam() {
    let configuration = "daemon off; master_process off; pid {folder}/pid; error_log stderr emerg; events { }
        http {
        access_log off; client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
        fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
        upstream mjpgstreamer1 { ip_hash; server 127.0.0.1:8080; }
        server {
        listen 127.0.0.1:{port};
        location /webcam/ {
        postpone_output 0; proxy_buffering off; proxy_ignore_headers X-Accel-Buffering;
        proxy_pass http://mjpgstreamer1/;
        } } }";
    let command = ["nginx", "-e", "stderr", "-c", "{file}"];
    shows_below_webcam("MainsailOS", "mainsailos.local", configuration, &command);
}

/// With the property that the docs have for this image.
#[track_caller]
fn shows_below_webcam(image: &str, name: &str, configuration: &str, command: &[&str]) {
    let docs = include_str!("../docs/applications.md");
    let property = docs.lines().find_map(|line| line.trim_start().strip_prefix(&format!("{image}: ")));
    let camera = Camera::new("is-live=true", property.expect("a property for the image").trim()).play();
    let (folder, port) = (Folder::new(), free_port());
    let configuration = configuration.replace("8080", &camera.port().to_string());
    let configuration = configuration.replace("{folder}", &folder.name()).replace("{port}", &port.to_string());
    let _server = start(&folder, configuration, port, command);
    let ask = |action| {
        let url = format!("http://127.0.0.1:{port}/webcam/?action={action}");
        let mut curl = curl();
        curl.args(["--max-time", "10", "--header", &format!("Host: {name}"), &url]);
        curl
    };
    let picture = numbered(&pictures()[0], 1);
    camera.push(&picture);
    assert!(ask("snapshot").output().expect("curl is installed").stdout == picture, "{image}: the snapshot");
    let mut viewer = Curl::read(&mut ask("stream"));
    assert!(viewer.picture() == picture, "{image}: the stream");
    camera.end();
    assert!(viewer.ends(), "{image}: the end");
}

/// A web server: what stands around the configuration that the docs have, and how it starts.
struct Proxy {
    section: &'static str,
    preamble: &'static str,
    end: &'static str,
    /// What the docs have, and what takes its place for a Unix socket.
    unix: (&'static str, &'static str),
    command: &'static [&'static str],
}

/// By TCP and by a Unix socket behind it, by each version of HTTP in front.
#[track_caller]
fn passes_on(proxy: &Proxy) {
    let folder = Folder::new();
    let socket = folder.path("camera.sock");
    for (host, place) in [("127.0.0.1".to_owned(), None), (format!("unix:{socket}"), Some(&socket))] {
        let camera = Camera::new("is-live=true do-timestamp=true", &format!("host={host}")).play();
        let behind = match place {
            Some(socket) => proxy.unix.1.replace("{socket}", socket),
            None => proxy.unix.0.replace("8080", &camera.port().to_string()),
        };
        let running = proxy.start(&folder, &behind);
        for version in ["--http1.1", "--http2"] {
            let what = format!("{} to {behind} by {version}", proxy.section);
            // One that is there already comes first, by itself.
            let first = numbered(&pictures()[0], 0);
            camera.push(&first);
            let mut viewer = Curl::start(version, &running, "/stream");
            assert!(viewer.picture() == first, "{what}");
            for n in 1..5 {
                let picture = numbered(&pictures()[0], n);
                camera.push(&picture);
                assert!(viewer.picture() == picture, "{what}: picture {n}");
            }
        }
        let mut viewer = Curl::start("--http2", &running, "/stream");
        viewer.picture();
        camera.end();
        assert!(viewer.ends(), "{} passes the end on", proxy.section);
    }
}

struct Running {
    _process: Process,
    certificate: Certificate,
    port: u16,
}

impl Proxy {
    /// Starts it with the configuration of the docs, but our own ports and files.
    #[track_caller]
    fn start(&self, folder: &Folder, behind: &str) -> Running {
        let (certificate, port) = (Certificate::new(&format!("DNS:{NAME}"), 1), free_port());
        let both = [certificate.key(), certificate.file()].map(|file| fs::read(file).expect("a file")).concat();
        let replaced = [
            // First: what comes in with the others may have these digits too.
            ("443", port.to_string()),
            (self.unix.0, behind.to_owned()),
            ("/etc/ssl/camera-and-key.pem", folder.file("both.pem", both)),
            ("/etc/ssl/camera.pem", certificate.file()),
            ("/etc/ssl/camera.key", certificate.key()),
        ];
        let documented = replaced.iter().fold(documented(self.section), |text, (from, to)| text.replace(from, to));
        let configuration = [self.preamble, &documented, self.end].join("\n").replace("{folder}", &folder.name());
        Running { _process: start(folder, configuration, port, self.command), certificate, port }
    }
}

/// A web server with this configuration, which listens at this port.
#[track_caller]
fn start(folder: &Folder, configuration: String, port: u16, command: &[&str]) -> Process {
    let file = folder.file("configuration", configuration + "\n");
    let words: Vec<_> = command.iter().map(|word| word.replace("{file}", &file)).collect();
    // Some keep things at home.
    let mut process = Process::start(Command::new(&words[0]).args(&words[1..]).env("HOME", folder.name()));
    wait_until("the web server", || {
        assert!(!process.has_ended(), "{} ends by itself, at port {port}", words[0]);
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    process
}

/// The configuration below this heading.
#[track_caller]
fn documented(section: &str) -> String {
    let docs = include_str!("../docs/proxies.md");
    let (_, section) = docs.split_once(&format!("\n## {section}\n")).expect("a section");
    let section = section.split("\n## ").next().expect("text");
    let lines = section.lines().filter(|line| line.is_empty() || line.starts_with("    "));
    lines.map(|line| line.trim_start_matches("    ").to_owned() + "\n").collect()
}

/// Somebody who watches with curl.
struct Curl {
    child: Child,
    pictures: Receiver<Vec<u8>>,
}

impl Curl {
    #[track_caller]
    fn start(version: &str, running: &Running, path: &str) -> Self {
        let url = format!("https://{NAME}:{}{path}", running.port);
        let resolve = format!("{NAME}:{}:127.0.0.1", running.port);
        let certificate = running.certificate.file();
        Self::read(curl().args([version, "--cacert", &certificate, "--resolve", &resolve, &url]))
    }

    /// What this curl gets.
    #[track_caller]
    fn read(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("curl is installed");
        let mut stdout = child.stdout.take().expect("a pipe");
        let (sender, pictures) = channel();
        thread::spawn(move || {
            while let Some(picture) = next_part(&mut stdout) {
                if sender.send(picture).is_err() {
                    break;
                }
            }
        });
        Self { child, pictures }
    }

    #[track_caller]
    fn picture(&mut self) -> Vec<u8> {
        self.pictures.recv_timeout(DEADLINE).expect("a picture, before the next is made")
    }

    /// Whether the stream ends as one does that is whole.
    fn ends(&mut self) -> bool {
        while self.pictures.recv_timeout(DEADLINE).is_ok() {}
        self.child.wait().expect("curl ends").success()
    }
}

/// A clean one: no proxy, no configuration of its user.
fn curl() -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--fail", "--no-buffer"]).env_clear().env("PATH", "/usr/bin:/bin");
    curl
}

impl Drop for Curl {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The next picture in the standard layout.
fn next_part(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") || head.len() == 4 {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).expect("a head is text");
    let length = head.split("Content-Length: ").nth(1).and_then(|rest| rest.lines().next()).expect("a length");
    let mut picture = vec![0; length.parse().expect("a number")];
    stream.read_exact(&mut picture).ok()?;
    Some(picture)
}
