//! motion and VLC as servers: programs that decode what they are given and send pictures of their own. And films made
//! of what comes out.

mod common;

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf, process::Command};

use common::{
    pictures,
    pipeline::Camera,
    process::{Process, await_listener, free_port},
    script_server::{ScriptServer, Step, head, part},
    source::{Source, bytes},
};
use gst::{ResourceError, prelude::*};

/// motion, which watches a camera of ours and shows it to those who know the password.
struct Motion {
    _process: Process,
    /// Where it would write its findings to.
    folder: PathBuf,
    port: u16,
}

impl Motion {
    /// `method` as motion counts them: 1 is Basic, 2 is Digest.
    #[track_caller]
    fn watching(camera: &Camera, method: u32) -> Self {
        let port = free_port();
        let folder = std::env::temp_dir().join(format!("mjpeghttp-motion-{port}"));
        fs::create_dir_all(&folder).expect("the folder of temporary files can be written to");
        let configuration = format!(
            "daemon off\nsetup_mode off\nlog_level 1\nwebcontrol_port 0\nstream_localhost on\nstream_port {port}\n\
             stream_auth_method {method}\nstream_authentication user:secret\nstream_maxrate 50\nframerate 50\n\
             netcam_url {}\nwidth 320\nheight 240\npicture_output off\nmovie_output off\n\
             target_dir {}\nlog_file {}\n",
            camera.url("/stream"),
            folder.display(),
            folder.join("log").display(),
        );
        let file = folder.join("motion.conf");
        fs::write(&file, configuration).expect("the folder is ours");
        let process = Process::start(Command::new("motion").arg("-n").arg("-c").arg(&file));
        await_listener(port);
        Self { _process: process, folder, port }
    }

    fn source(&self, password: &str) -> Source {
        Source::new(&format!("http://127.0.0.1:{}/", self.port)).set("user-id", "user").set("user-pw", password)
    }
}

impl Drop for Motion {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// A camera that shows picture after picture until its value ends.
struct Film {
    _stop: std::sync::mpsc::Sender<()>,
}

impl Film {
    fn play(camera: &Camera) -> Self {
        let (stop, stopped) = std::sync::mpsc::channel::<()>();
        let (source, pictures) = (camera.source.clone(), pictures::encoded(4));
        std::thread::spawn(move || {
            // The frame rate, not a wait for anything.
            let frame = std::time::Duration::from_millis(40);
            for picture in pictures.iter().cycle() {
                if stopped.recv_timeout(frame) != Err(std::sync::mpsc::RecvTimeoutError::Timeout)
                    || source.push_buffer(gst::Buffer::from_slice(picture.clone())).is_err()
                {
                    return;
                }
            }
        });
        Self { _stop: stop }
    }
}

/// Some pictures of this size, in order and whole.
#[track_caller]
fn assert_plays(source: &Source, width: i32, height: i32) {
    for index in 0..5 {
        let sample = source.sample();
        let caps = sample.caps().and_then(|caps| caps.structure(0)).expect("pictures have caps");
        assert_eq!((caps.get("width"), caps.get("height")), (Ok(width), Ok(height)), "picture {index}");
    }
    assert_eq!((source.stat("damaged"), source.stat("foreign")), (0, 0));
}

/// Seen from outside: 401 with the right password, as motion writes "algorithm=md5" in small letters.
#[test]
fn motion_lets_in_who_knows_the_password() {
    let camera = Camera::live();
    let _film = Film::play(&camera);
    for method in [1, 2] {
        let motion = Motion::watching(&camera, method);
        assert_plays(&motion.source("secret").play(), 320, 240);
        let wrong = motion.source("guess").play();
        wrong.assert_fails(ResourceError::NotAuthorized, &["401", "check user-id and user-pw"]);
    }
}

#[test]
fn vlc_plays() {
    let port = free_port();
    let film = std::env::temp_dir().join(format!("mjpeghttp-vlc-{port}.mjpeg"));
    fs::write(&film, pictures::encoded(200).concat()).expect("the folder of temporary files can be written to");
    let output = format!("#standard{{access=http,mux=mpjpeg,dst=127.0.0.1:{port}/stream}}");
    // VLC will not be root.
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0);
    let mut command = Command::new(if is_root { "setpriv" } else { "env" });
    if is_root {
        command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]);
    }
    command
        .env("HOME", "/nonexistent")
        .args(["cvlc", "--quiet", "--repeat", "--demux=mjpeg", "--mjpeg-fps=25"])
        .arg(&film);
    let vlc = Process::start(command.args(["--sout", &output]));
    await_listener(port);
    assert_plays(&Source::new(&format!("http://127.0.0.1:{port}/stream")).hasty().play(), 320, 240);
    drop(vlc);
    let _ = fs::remove_file(film);
}

/// Seen from outside: "Buffer has no PTS", and the end of the recording, once pictures came so close together that they
/// had the same time.
#[test]
fn film_is_made_of_pictures_that_come_at_once() {
    let pictures = pictures::encoded(8);
    let stream = [head()].into_iter().chain(pictures.iter().map(|jpeg| part(jpeg))).chain([Step::Close]).collect();
    let server = ScriptServer::play([stream]);
    let source = Source::new(&server.url()).lossless().set("eos-on-close", true);
    // Its clock stands still.
    source.pipeline.use_clock(Some(&gst_check::TestClock::new()));
    source.element.unlink(&source.sink);
    let muxer = gst::parse::bin_from_description("jpegparse ! qtmux", true).expect("the usual elements");
    source.pipeline.add(&muxer).expect("it is new");
    gst::Element::link_many([&source.element, muxer.upcast_ref(), source.sink.upcast_ref()]).expect("they fit");
    let source = source.play();
    let pieces = std::iter::from_fn(|| source.sink.try_pull_sample(gst::ClockTime::from_seconds(10)));
    let film: usize = pieces.map(|sample| bytes(&sample).len()).sum();
    source.message(gst::MessageType::Eos);
    assert!(film > pictures.concat().len(), "{film} bytes are less than the pictures have");
}
