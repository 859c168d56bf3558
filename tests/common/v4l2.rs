//! A camera made of nothing, for programs that take V4L2 devices only; see `tests/peers/fake_v4l2.c`.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
    sync::atomic::{AtomicUsize, Ordering},
};

/// A camera that gives these pictures in turn, 30 a second. Its device and its pictures lie in a folder that ends with
/// it.
pub struct FakeCamera {
    folder: PathBuf,
    pictures: String,
    format: &'static str,
    size: String,
}

impl FakeCamera {
    /// One that compresses by itself.
    #[track_caller]
    pub fn mjpeg(pictures: &[Vec<u8>], size: (u32, u32)) -> Self {
        Self::new("MJPG", pictures, size)
    }

    /// One that gives pixels as they are, two bytes each.
    #[track_caller]
    pub fn yuyv(pictures: &[Vec<u8>], size: (u32, u32)) -> Self {
        Self::new("YUYV", pictures, size)
    }

    #[track_caller]
    fn new(format: &'static str, pictures: &[Vec<u8>], (width, height): (u32, u32)) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("camera-{}-{number}", std::process::id()));
        fs::create_dir_all(&folder).expect("the target folder can be written to");
        let (pictures, size) = (write(&folder, pictures), format!("{width}x{height}"));
        let camera = Self { folder, pictures, format, size };
        let source = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/peers/fake_v4l2.c");
        let options = ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o"];
        let compiled = Command::new("cc").args(options).arg(camera.path("fake_v4l2.so")).arg(source).status();
        assert!(compiled.expect("cc is there: scripts/setup build").success(), "fake_v4l2.c compiles");
        symlink("/dev/null", camera.device()).expect("the folder is new");
        camera
    }

    /// The path that stands for the camera.
    pub fn device(&self) -> String {
        self.path("video0")
    }

    /// A program that sees the camera.
    pub fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command
            .env("LD_PRELOAD", self.path("fake_v4l2.so"))
            .env("FAKE_V4L2_DEVICE", self.device())
            .env("FAKE_V4L2_PICTURES", &self.pictures)
            .env("FAKE_V4L2_FORMAT", self.format)
            .env("FAKE_V4L2_SIZE", &self.size);
        command
    }

    fn path(&self, name: &str) -> String {
        self.folder.join(name).to_str().expect("the target folder's name is text").to_owned()
    }
}

impl Drop for FakeCamera {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Writes the pictures into the folder; their paths as the camera wants them.
#[track_caller]
fn write(folder: &Path, pictures: &[Vec<u8>]) -> String {
    let write = |(index, picture): (usize, &Vec<u8>)| {
        let path = folder.join(index.to_string());
        fs::write(&path, picture).expect("the folder can be written to");
        path.to_str().expect("the target folder's name is text").to_owned()
    };
    pictures.iter().enumerate().map(write).collect::<Vec<_>>().join(":")
}
