//! A folder that ends with its value.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicUsize, Ordering},
};

/// A folder of temporary files, open to everybody: servers give up being root.
pub struct Folder(PathBuf);

impl Folder {
    /// Its name is short, as the path of a Unix socket has to be.
    #[track_caller]
    pub fn new() -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("mjpeghttp-{}-{number}", std::process::id()));
        fs::create_dir_all(&path).expect("the folder of temporary files can be written to");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o777)).expect("the folder is ours");
        Self(path)
    }

    /// What a file of this name in it is called.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("its name is text").to_owned()
    }

    /// Writes a file and gives its name.
    #[track_caller]
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::write(&path, content).expect("the folder can be written to");
        path
    }

    pub fn name(&self) -> String {
        self.path("").trim_end_matches('/').to_owned()
    }
}

impl AsRef<Path> for Folder {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
