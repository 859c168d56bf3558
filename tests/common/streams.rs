//! Streams as bytes, with what is to come out of them and when.

use super::jpeg;

/// A way of framing pictures, as templates: `{len}` stands for the picture's length with its padding, `{len+20}` for a
/// wrong one, `{len:9}` for one padded with blanks, `{i}` for the number of the picture.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    pub name: &'static str,
    /// Sent once before everything.
    pub opening: &'static [u8],
    /// Sent before each picture.
    pub before: &'static [u8],
    /// Belongs to the part: sent after the picture, counted by `{len}`, kept.
    pub padding: &'static [u8],
    /// Sent after each picture.
    pub after: &'static [u8],
    /// Sent once after everything.
    pub closing: &'static [u8],
    /// Parts of another type in the opening, and in each `before`.
    pub foreign: (usize, usize),
    pub idle: Idle,
}

/// Which pictures come out only when the stream pauses: those whose length announces bytes that may belong to them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Idle {
    Never,
    /// The first one: it shows what the lengths are worth.
    First,
}

/// A stream and what it holds.
#[derive(Clone, Debug, Default)]
pub struct Stream {
    pub bytes: Vec<u8>,
    pub frames: Vec<Expected>,
    pub damaged: usize,
    pub foreign: usize,
}

#[derive(Clone, Debug)]
pub struct Expected {
    pub jpeg: Vec<u8>,
    /// Length of `jpeg` without its padding.
    pub unpadded: usize,
    /// Where it starts in the stream.
    pub start: usize,
    /// The picture must come out when this many bytes of the stream are in.
    pub due: usize,
    pub needs_idle: bool,
}

impl Row {
    pub const fn new(name: &'static str, before: &'static [u8], after: &'static [u8]) -> Self {
        Self { name, opening: b"", before, padding: b"", after, closing: b"", foreign: (0, 0), idle: Idle::Never }
    }

    pub const fn opening(self, opening: &'static [u8]) -> Self {
        Self { opening, ..self }
    }

    pub const fn padding(self, padding: &'static [u8]) -> Self {
        Self { padding, ..self }
    }

    pub const fn closing(self, closing: &'static [u8]) -> Self {
        Self { closing, ..self }
    }

    pub const fn foreign(self, once: usize, each: usize) -> Self {
        Self { foreign: (once, each), ..self }
    }

    /// The first picture waits for a pause, or for what follows it.
    pub const fn first_waits(self) -> Self {
        Self { idle: Idle::First, ..self }
    }

    /// Whether the stream has neither delimiters nor right lengths: after damage before a picture's data nothing tells
    /// the thumbnail in it, or the picture after it, from its own bytes.
    pub fn ends_are_guesses(&self) -> bool {
        let delimited = [self.before, self.after].iter().any(|text| text.windows(2).any(|two| two == b"--"));
        !delimited && self.name != "concatenated pictures with lengths"
    }

    /// Whether each picture comes with its own length, and directly after its head.
    pub fn has_right_lengths(&self) -> bool {
        self.before.windows(5).any(|text| text == b"{len}" || text == b"{len:") && self.before.ends_with(b"\n")
    }

    /// The pictures in this framing.
    pub fn stream(&self, pictures: &[Vec<u8>]) -> Stream {
        let mut stream = Stream::default();
        stream.opening(self);
        for picture in pictures {
            stream.part(self, picture);
        }
        stream.bytes.extend(self.closing);
        stream
    }

    /// Pictures that mislead a reader, this row's own part head inside a comment among them.
    pub fn pictures(&self, first: usize, count: usize, data: usize) -> Vec<Vec<u8>> {
        let head = [b"\r\n", self.after, &fill(self.before, 0, 7), b"\xff\xd8\xff\xe0\r\n"].concat();
        (first..first + count)
            .map(|index| match index % 7 {
                6 => jpeg::Jpeg::new(index).data(data).comment(&head).bytes(),
                _ => jpeg::any(index, data).bytes(),
            })
            .collect()
    }
}

impl Stream {
    pub fn opening(&mut self, row: &Row) {
        self.bytes.extend(row.opening);
        self.foreign += row.foreign.0;
    }

    /// Adds a picture that is to come out.
    pub fn part(&mut self, row: &Row, picture: &[u8]) {
        let padded = [picture, row.padding].concat();
        let index = self.before(row, padded.len());
        self.bytes.extend(&padded);
        self.frames.push(Expected {
            unpadded: picture.len(),
            start: self.bytes.len() - padded.len(),
            due: self.bytes.len(),
            needs_idle: row.idle == Idle::First && index == 0,
            jpeg: padded,
        });
        self.bytes.extend(row.after);
    }

    /// Adds a picture that is to be counted as damaged.
    pub fn damaged_part(&mut self, row: &Row, picture: &[u8]) {
        self.before(row, picture.len());
        self.bytes.extend(picture);
        self.bytes.extend(row.after);
        self.damaged += 1;
    }

    fn before(&mut self, row: &Row, len: usize) -> usize {
        let index = self.frames.len() + self.damaged;
        self.bytes.extend(fill(row.before, index, len));
        self.foreign += row.foreign.1;
        index
    }
}

/// Fills in a template.
fn fill(template: &[u8], index: usize, len: usize) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = template;
    while let Some(open) = rest.iter().position(|b| *b == b'{') {
        let close = open + rest[open..].iter().position(|b| *b == b'}').expect("a brace that closes");
        out.extend(&rest[..open]);
        let name = std::str::from_utf8(&rest[open + 1..close]).expect("a name");
        out.extend(value(name, index, len).into_bytes());
        rest = &rest[close + 1..];
    }
    out.extend(rest);
    out
}

fn value(name: &str, index: usize, len: usize) -> String {
    let len = i64::try_from(len).expect("a length");
    match name.strip_prefix("len") {
        Some("") => len.to_string(),
        Some(width) if width.starts_with(':') => format!("{len:0$}", width[1..].parse().expect("a width")),
        Some(more) => (len + more.parse::<i64>().expect("a number")).to_string(),
        None => index.to_string(),
    }
}
