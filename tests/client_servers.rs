//! Other people's servers, the real ones, behind the client's own features: nginx, motion, VLC.

mod common;

use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, process::Command};

use common::{
    certificate::Certificate,
    jpeg, pictures,
    pipeline::Camera,
    process::{Process, await_listener, free_port},
    source::{Source, assert_same},
};
use gst::ResourceError;

/// A folder that ends with its value, open to everybody: these servers give up being root.
struct Folder(PathBuf);

impl Folder {
    #[track_caller]
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("mjpeghttp-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder of temporary files can be written to");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("the folder is ours");
        Self(path)
    }

    /// Writes a file and gives its name.
    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.join(name);
        fs::write(&path, content).expect("the folder can be written to");
        path.to_str().expect("its name is text").to_owned()
    }

    fn name(&self) -> &str {
        self.0.to_str().expect("its name is text")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// nginx with TLS and a password in front of a server.
struct Nginx {
    _process: Process,
    _folder: Folder,
    certificate: Certificate,
    port: u16,
}

impl Nginx {
    #[track_caller]
    fn before(name: &str, port_behind: u16) -> Self {
        let (folder, certificate, port) = (Folder::new(name), Certificate::new("IP:127.0.0.1", 2), free_port());
        // The password is "secret".
        folder.file("users", "user:{PLAIN}secret\n");
        let configuration = format!(
            "daemon off; master_process off; pid {folder}/pid; error_log stderr emerg; events {{ }}
             http {{
                 access_log off;
                 client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
                 fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
                 server {{
                     listen 127.0.0.1:{port} ssl;
                     ssl_certificate {certificate}; ssl_certificate_key {key};
                     location / {{ proxy_pass http://127.0.0.1:{port_behind}; }}
                     location /closed/ {{
                         auth_basic \"camera\"; auth_basic_user_file {folder}/users;
                         proxy_pass http://127.0.0.1:{port_behind}/;
                     }}
                     location /elsewhere {{ return 302 /stream; }}
                 }}
             }}",
            folder = folder.name(),
            certificate = certificate.file(),
            key = certificate.key(),
        );
        let file = folder.file("nginx.conf", configuration);
        let process = Process::start(Command::new("nginx").args(["-e", "stderr", "-c", &file]));
        await_listener(port);
        Self { _process: process, _folder: folder, certificate, port }
    }

    fn source(&self, path: &str) -> Source {
        let source = Source::new(&format!("https://127.0.0.1:{}{path}", self.port));
        source.set("ssl-ca-file", self.certificate.file())
    }
}

/// Each picture is there before the next one is pushed.
#[track_caller]
fn assert_plays(camera: &Camera, source: Source) {
    let source = source.play();
    camera.wait_for_viewers(1);
    for (index, picture) in pictures::encoded(4).iter().enumerate() {
        camera.push(picture);
        assert_same(&source.frame(), picture, &format!("picture {index}"));
    }
}

#[test]
fn nginx_in_front_of_the_sink_plays_without_delay() {
    let camera = Camera::live();
    let nginx = Nginx::before("nginx-open", camera.port());
    assert_plays(&camera, nginx.source("/stream"));
}

#[test]
fn redirection_by_nginx_is_followed() {
    let camera = Camera::live();
    let nginx = Nginx::before("nginx-elsewhere", camera.port());
    assert_plays(&camera, nginx.source("/elsewhere"));
}

#[test]
fn nginx_asks_for_the_password() {
    let camera = Camera::live();
    let nginx = Nginx::before("nginx-closed", camera.port());
    assert_plays(&camera, nginx.source("/closed/stream").set("user-id", "user").set("user-pw", "secret"));
    let wrong = nginx.source("/closed/stream").set("user-id", "user").set("user-pw", "guess").play();
    wrong.assert_fails(ResourceError::NotAuthorized, &["401", "check user-id and user-pw"]);
}

#[test]
fn nginx_without_its_server_is_asked_again() {
    let nginx = Nginx::before("nginx-alone", free_port());
    let source = nginx.source("/stream").play();
    let reason: String = source.change().get("reason").expect("a loss has a reason");
    assert!(reason.contains("502 Bad Gateway"), "{reason}");
}

#[test]
fn snapshots_of_the_sink_through_nginx_are_polled() {
    let camera = Camera::live();
    let nginx = Nginx::before("nginx-snapshot", camera.port());
    camera.push(&jpeg::picture(0));
    camera.wait_for_pictures(1);
    let source = nginx.source("/snapshot").lossless().set("poll-interval", 1_000_000u64).play();
    for _ in 0..5 {
        assert_same(&source.frame(), &jpeg::picture(0), "the snapshot");
    }
    assert_eq!(source.stat("reconnects"), 0);
}
