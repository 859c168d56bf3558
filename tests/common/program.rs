//! Programs that say what they see, line by line.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, Instant},
};

use super::plugin;

/// A program, until it is dropped.
pub struct Program {
    child: Child,
    lines: Receiver<(Instant, String)>,
}

impl Program {
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        let mut child = plugin::give(command).stdout(Stdio::piped()).spawn().expect("the program is there");
        let output = BufReader::new(child.stdout.take().expect("it was asked for"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send((Instant::now(), line)))
        });
        Self { child, lines }
    }

    /// Its number.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The next line, and when it came.
    #[track_caller]
    pub fn line(&mut self) -> (Instant, String) {
        self.lines.recv_timeout(LIMIT).expect("the program prints a line")
    }

    /// The next line of examples/newest_picture.rs.
    #[track_caller]
    pub fn picture(&mut self) -> Seen {
        let (at, line) = self.line();
        Seen::read(at, &line).unwrap_or_else(|| panic!("{line:?} is about no picture with an age"))
    }

    /// All that examples/newest_picture.rs has printed and nobody has read yet.
    pub fn pictures_so_far(&mut self) -> Vec<Seen> {
        self.lines.try_iter().filter_map(|(at, line)| Seen::read(at, &line)).collect()
    }

    /// The longest time without a picture in all that was printed so far and as many pictures from now on.
    #[track_caller]
    pub fn longest_gap(&mut self, pictures: usize) -> Duration {
        let mut times: Vec<Instant> = self.lines.try_iter().map(|(time, _)| time).collect();
        times.extend((0..pictures).map(|_| self.line().0));
        times.windows(2).map(|pair| pair[1] - pair[0]).max().expect("several pictures")
    }

    /// The ages of as many pictures in milliseconds, the least first.
    #[track_caller]
    pub fn ages(&mut self, pictures: usize) -> Vec<f64> {
        let mut ages: Vec<f64> = (0..pictures).map(|_| self.picture().age_ms).collect();
        ages.sort_by(f64::total_cmp);
        ages
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A picture that examples/newest_picture.rs has seen.
#[derive(Debug)]
pub struct Seen {
    pub at: Instant,
    /// Time since its capture, in milliseconds.
    pub age_ms: f64,
    /// As in 640x480.
    pub size: String,
}

impl Seen {
    fn read(at: Instant, line: &str) -> Option<Self> {
        let age_ms = line.strip_suffix(" ms old")?.rsplit(' ').next()?.parse().ok()?;
        let (size, _) = line.split_once(',')?;
        Some(Self { at, age_ms, size: size.to_owned() })
    }
}

/// Longest wait for a line. Chosen: all programs of a test start at once, on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// The path of an example that cargo built with this test.
#[track_caller]
pub fn example(name: &str) -> String {
    let test = std::env::current_exe().expect("a path");
    let program: PathBuf = test.ancestors().nth(2).expect("tests lie in deps").join("examples").join(name);
    assert!(program.exists(), "{program:?}: cargo test builds it, cargo test --test does not: cargo build --examples");
    program.to_str().expect("a path in text").to_owned()
}
