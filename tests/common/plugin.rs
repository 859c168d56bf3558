//! The plugin as a file, for programs that load it as any other.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::{self, Command},
    thread,
};

/// Tells a program where the plugin is that was built with this test, and takes G_DEBUG away: a warning in somebody
/// else's element is none of ours.
#[track_caller]
pub fn give(command: &mut Command) -> &mut Command {
    let library = beside_the_test().join("libgstmjpeghttp.so");
    assert!(library.exists(), "{library:?} is built with the tests");
    link(&library, "libgstmjpeghttp.so");
    let registry = concat!(env!("CARGO_TARGET_TMPDIR"), "/registry.bin");
    command.env_remove("G_DEBUG").env("GST_PLUGIN_PATH", PLUGINS).env("GST_REGISTRY", registry)
}

/// Puts a plugin that the tests depend on beside ours. cargo gives its file a name that ends in a number of its own.
#[track_caller]
pub fn give_from_cargo(name: &str) {
    let begin = format!("libgst{name}-");
    let files = fs::read_dir(beside_the_test()).expect("it can be read").map_while(Result::ok);
    let built = files.filter(|file| {
        let file = file.file_name();
        file.to_str().is_some_and(|file| file.starts_with(&begin) && file.ends_with(".so"))
    });
    // Of several the others are from before a change of versions.
    let newest = built.max_by_key(|file| file.metadata().and_then(|data| data.modified()).ok());
    let newest = newest.unwrap_or_else(|| panic!("cargo has built {begin}….so with the tests"));
    link(&newest.path(), &format!("libgst{name}.so"));
}

/// Tests lie beside what they were built with.
fn beside_the_test() -> PathBuf {
    env::current_exe().expect("a path").parent().expect("a program is in a folder").to_owned()
}

/// That folder has thousands of files, so GStreamer gets one of its own.
#[track_caller]
fn link(library: &Path, name: &str) {
    let folder = Path::new(PLUGINS);
    fs::create_dir_all(folder).expect("the target folder can be written to");
    let link = folder.join(name);
    // A target folder that was moved has a link that leads to where it was.
    if fs::read_link(&link).ok().as_deref() != Some(library) {
        let new = folder.join(format!("{}-{:?}", process::id(), thread::current().id()));
        symlink(library, &new).and_then(|()| fs::rename(&new, &link)).expect("the target folder can be written to");
    }
}

const PLUGINS: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/plugins");
