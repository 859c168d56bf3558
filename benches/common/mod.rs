//! What the benches share: processes on a core of their own, their CPU time, pictures.

use std::{
    env, fs,
    process::{Child, Command, Stdio},
};

use anyhow::{Context, Result};
use gst::prelude::*;

/// A process that ends with its owner.
pub struct Ends(pub Child);

impl Ends {
    /// Starts `command` on one core, with pipes for what it says and what it waits for: it must end when that closes.
    pub fn start(core: usize, command: &Command) -> Result<Self> {
        Self::spawn(core, command, Stdio::inherit())
    }

    /// The same for a program that reports on its standard error what is no error.
    #[allow(dead_code, reason = "only one bench runs such programs")]
    pub fn start_quiet(core: usize, command: &Command) -> Result<Self> {
        Self::spawn(core, command, Stdio::null())
    }

    fn spawn(core: usize, command: &Command, errors: Stdio) -> Result<Self> {
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
        pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let child = pinned.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors).spawn();
        Ok(Self(child.context("taskset (package util-linux) starts the processes")?))
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// This program, to be started again.
pub fn this() -> Result<Command> {
    Ok(Command::new(env::current_exe()?))
}

pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A JPEG of noise with exactly that many bytes: what a camera sends, with a stuffed zero every 256 bytes.
pub fn picture(bytes: usize) -> Vec<u8> {
    // What the picture lacks fills a comment behind its start: the segment's length is its own two bytes and the
    // filling.
    const COMMENT: usize = 4;
    let mut side = 256.0;
    let mut jpeg = noise(side);
    while !(bytes - bytes / 20..=bytes - COMMENT).contains(&jpeg.len()) {
        side *= (0.98 * bytes as f64 / jpeg.len() as f64).sqrt();
        jpeg = noise(side);
    }
    let filling = bytes - COMMENT - jpeg.len();
    let length = u16::try_from(filling + 2).expect("a twentieth of a picture fits in a segment");
    let comment = [&[0xff, 0xfe][..], &length.to_be_bytes(), &vec![0; filling]].concat();
    jpeg.splice(2..2, comment);
    jpeg
}

/// A JPEG of noise that many pixels wide and high.
fn noise(side: f64) -> Vec<u8> {
    let side = (side / 2.0).round() * 2.0;
    let text = format!(
        "videotestsrc pattern=snow num-buffers=1 ! video/x-raw,format=I420,width={side},height={side} ! jpegenc \
         quality=85 ! appsink name=sink sync=false"
    );
    gst::init().expect("GStreamer starts");
    let pipeline = gst::parse::launch(&text).expect("the pipeline is right");
    let sink = pipeline.downcast_ref::<gst::Bin>().and_then(|bin| bin.by_name("sink")).expect("it has a sink");
    let sink = sink.downcast::<gst_app::AppSink>().expect("it is an appsink");
    pipeline.set_state(gst::State::Playing).expect("it plays");
    let sample = sink.pull_sample().expect("it gives a picture");
    pipeline.set_state(gst::State::Null).expect("it stops");
    let buffer = sample.buffer().expect("a sample has a buffer");
    buffer.map_readable().expect("it can be read").to_vec()
}

/// CPU time of a process (its number, or `self`), all its threads, in seconds.
pub fn cpu_seconds(process: &str) -> Result<f64> {
    let mut nanoseconds = 0.0;
    for task in fs::read_dir(format!("/proc/{process}/task"))? {
        let schedstat = fs::read_to_string(task?.path().join("schedstat"))?;
        nanoseconds += schedstat.split(' ').next().context("schedstat begins with the time")?.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}
