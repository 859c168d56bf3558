//! The fuzz targets: each takes what its laws want off the front of an input, and the rest is the bytes.

use std::time::Duration;

use gstmjpeghttp::{
    client::Credentials,
    http::ResponseHead,
    multipart::{Layout, Limits},
    server::Spoken,
};

use crate::{
    common::{jpeg as pictures, pipe, rows, streams::Stream},
    laws,
};

/// What a target does with an input.
pub type Run = fn(&[u8]);

/// Each target by its name, which its folder in `fuzz/corpus` has too.
pub const ALL: &[(&str, Run)] = &[
    ("reader", reader),
    ("damage", damage),
    ("writer", writer),
    ("jpeg", jpeg),
    ("head", head),
    ("chunked", chunked),
    ("body", body),
    ("auth", auth),
    ("location", location),
    ("requests", requests),
];

/// A stream, how it is cut and how long its pictures may be.
pub fn reader(input: &[u8]) {
    let mut input = Input(input);
    let sizes = input.sizes();
    let limit = input.number();
    let limits = if limit == 0 { Limits::default() } else { Limits { max_frame: limit.into() } };
    let stream = input.0;
    laws::reader::chunking_never_changes_the_events(stream, &sizes, limits);
    laws::reader::every_frame_is_a_whole_picture(stream, limits);
    laws::reader::pauses_let_whole_pictures_out_only(stream, &sizes);
}

/// Places and bytes that spoil the fourth of eight pictures in one of the framings.
pub fn damage(input: &[u8]) {
    let mut input = Input(input);
    let rows: Vec<_> = rows::all().filter(|row| !row.ends_are_guesses()).collect();
    let row = rows[usize::from(input.byte()) % rows.len()];
    // None of those that are sent whole.
    let picture = pictures::any(99, 300).build();
    // Without the start of image it is no picture, and nothing to count. Where no length is right, a damaged segment's
    // length may lead over the next pictures: from the data on no segment does.
    let from = if row.has_right_lengths() { 3 } else { picture.data };
    let mut spoilt = picture.bytes;
    for _ in 0..MOST_SPOILT.min(input.0.len() / 3) {
        let at = from + usize::from(input.number()) % (spoilt.len() - from);
        spoilt[at] = input.byte();
    }
    let mut stream = Stream::default();
    stream.opening(row);
    for index in 0..8 {
        if index == 3 {
            stream.damaged_part(row, &spoilt);
        }
        stream.part(row, &pictures::any(index, 300).bytes());
    }
    laws::reader::whole_pictures_come_out(&stream);
}

/// Pictures with these bytes in them, written in either layout and read again.
pub fn writer(input: &[u8]) {
    let mut input = Input(input);
    let flags = input.byte();
    let layout = if flags & 1 == 0 { Layout::Standard } else { Layout::Advance };
    let captured = (flags & 2 != 0).then(|| Duration::from_micros(u64::from(input.number()) << (flags >> 3)));
    let written = laws::writer::Written { layout, extra: flags & 4 != 0, captured };
    let sizes = input.sizes();
    let per_picture = usize::from(input.number()).max(1);
    let pictures: Vec<_> = input.0.chunks(per_picture).take(MOST_WRITTEN).map(picture_of).collect();
    let boundary = "frame".parse().expect("a boundary");
    laws::writer::what_is_written_is_read(&pictures, &boundary, written, &sizes);
}

/// A picture and how it is cut.
pub fn jpeg(input: &[u8]) {
    let mut input = Input(input);
    let sizes = input.sizes();
    laws::jpeg::chunking_never_changes_the_walk(input.0, &sizes);
    laws::jpeg::copies_are_complete_and_else_the_same(input.0);
    laws::jpeg::copies_decode_to_the_same_pixels(input.0);
}

/// A response head.
pub fn head(input: &[u8]) {
    laws::http::heads_are_read_as_httparse_does(input);
    laws::http::heads_hold_no_control_characters(input);
}

/// A chunked body and how it is cut.
pub fn chunked(input: &[u8]) {
    let mut input = Input(input);
    let sizes = input.sizes();
    laws::http::chunking_never_changes_the_body(input.0, &sizes);
    laws::http::bodies_by_the_book_are_read_by_the_book(input.0);
}

/// A body in one of the codings and how it is cut.
pub fn body(input: &[u8]) {
    let mut input = Input(input);
    let coding = CODINGS[usize::from(input.byte()) % CODINGS.len()];
    let sizes = input.sizes();
    let head = format!("HTTP/1.1 200 OK\r\n{coding}\r\n");
    let (head, _) = ResponseHead::parse(head.as_bytes()).expect("a head").expect("a whole head");
    // Few bytes may hold very many, so that a longer body only costs time.
    let body = &input.0[..input.0.len().min(LONGEST_BODY)];
    laws::client::chunking_never_changes_a_coded_body(&head, body, &sizes);
}

/// User, password, target and challenges, a line each.
pub fn auth(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let mut lines = text.split('\n');
    let mut line = || lines.next().unwrap_or_default();
    let credentials = Credentials::new(line(), line());
    // A location that holds control characters is refused.
    let target = line().replace(char::is_control, "");
    // The challenges come out of a head, and so does the law that they have.
    let fields: String = lines.map(|challenge| format!("WWW-Authenticate: {challenge}\n")).collect();
    let head = format!("HTTP/1.1 401 Unauthorized\n{fields}\n");
    let Ok(Some((head, _))) = ResponseHead::parse(head.as_bytes()) else { return };
    let challenges: Vec<_> = head.field_values("www-authenticate").collect();
    laws::client::answers_to_challenges_are_one_line(&challenges, &credentials, &target);
}

/// A location, and one that it redirects to, a line each.
pub fn location(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (from, to) = text.split_once('\n').unwrap_or((&text, ""));
    laws::client::locations_are_their_urls(from);
    laws::client::redirections_are_locations(from, to);
    laws::client::redirections_are_locations("http://camera:8080/a/b?c", from);
}

/// What is asked of a server on one connection, and how.
pub fn requests(input: &[u8]) {
    let mut input = Input(input);
    let flags = input.byte();
    let is_set = |bit: u8| flags & 1 << bit != 0;
    let room = 1 + usize::from(input.number());
    let sizes = input.sizes();
    let spoken = if is_set(0) { Spoken::Http2 } else { Spoken::Http1 };
    // Without it nothing that follows is looked at.
    let bytes = if is_set(0) { [pipe::PREFACE, input.0].concat() } else { input.0.to_vec() };
    let (guarded, open, deaf) = (is_set(1), is_set(2), is_set(3));
    let visit = laws::server::Visit { spoken, bytes: &bytes, sizes: &sizes, room, guarded, open, deaf };
    laws::server::answers_are_those_of_a_server(visit);
}

/// Content-Encoding and Transfer-Encoding of a body.
pub const CODINGS: [&str; 5] = [
    "Transfer-Encoding: chunked\r\n",
    "Content-Encoding: gzip\r\n",
    "Content-Encoding: deflate\r\n",
    "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
    "Transfer-Encoding: chunked\r\nContent-Encoding: deflate\r\n",
];

/// Bytes that are spoilt. Chosen: fewer than a part's head has, which is no damage to a picture.
const MOST_SPOILT: usize = 8;

const MOST_WRITTEN: usize = 8;

const LONGEST_BODY: usize = 4096;

/// A whole picture with these bytes in a comment and in its data.
fn picture_of(bytes: &[u8]) -> Vec<u8> {
    let bytes = &bytes[..bytes.len().min(LONGEST_COMMENT)];
    let mut picture = pictures::Jpeg::new(0).comment(bytes).build();
    let data = bytes.iter().flat_map(|byte| if *byte == 0xff { vec![0xff, 0] } else { vec![*byte] });
    picture.bytes.splice(picture.data..picture.data, data);
    picture.bytes
}

/// Bytes that a comment's length leaves place for.
const LONGEST_COMMENT: usize = 65_533;

/// Takes values off the front of an input; what is not there is 0.
struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    /// How many, at most eight, then each.
    fn sizes(&mut self) -> Vec<usize> {
        let count = self.byte() % 8;
        let mut sizes: Vec<_> = (0..count).map(|_| usize::from(self.number())).collect();
        sizes.push(1 + usize::from(self.byte()));
        sizes
    }
}
