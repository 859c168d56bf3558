//! The plugin as a file, for programs that load it as any other.

use std::{
    env, fs,
    os::unix::fs::symlink,
    path::Path,
    process::{self, Command},
    thread,
};

/// Tells a program where the plugin is that was built with this test, and takes G_DEBUG away: a warning in somebody
/// else's element is none of ours.
#[track_caller]
pub fn give(command: &mut Command) -> &mut Command {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("plugins");
    fs::create_dir_all(&folder).expect("the target folder can be written to");
    let program = env::current_exe().expect("a path");
    // Tests lie beside what they were built with. That folder has thousands of files, so GStreamer gets one of its own.
    let library = program.with_file_name("libgstmjpeghttp.so");
    assert!(library.exists(), "{library:?} is built with the tests");
    let link = folder.join("libgstmjpeghttp.so");
    // A target folder that was moved has a link that leads to where it was.
    if fs::read_link(&link).ok().as_deref() != Some(&*library) {
        let new = folder.join(format!("{}-{:?}", process::id(), thread::current().id()));
        symlink(&library, &new).and_then(|()| fs::rename(&new, &link)).expect("the target folder can be written to");
    }
    let registry = concat!(env!("CARGO_TARGET_TMPDIR"), "/registry.bin");
    command.env_remove("G_DEBUG").env("GST_PLUGIN_PATH", folder).env("GST_REGISTRY", registry)
}
