//! What holds for the response head, its media type and the chunked coding.

use gstmjpeghttp::{
    http::{Chunked, ChunkedError, MediaType, ResponseHead},
    jpeg::START,
};

use super::pieces;

/// A response head that `httparse` reads is read the same, and no head needs more bytes than it has.
pub fn heads_are_read_as_httparse_does(bytes: &[u8]) {
    let ours = ResponseHead::parse(bytes);
    if let Ok(Some((_, len))) = &ours {
        assert!(*len <= bytes.len());
        // Where the blank line is missing, the first bytes of the body end it.
        let end = bytes.len().min(len + START.len());
        assert_eq!(ResponseHead::parse(&bytes[..end]), ours, "what follows a head does not change it");
    }
    let mut fields = [httparse::EMPTY_HEADER; 64];
    let mut theirs = httparse::Response::new(&mut fields);
    let Ok(httparse::Status::Complete(len)) = theirs.parse(bytes) else { return };
    if !(100..1000).contains(&theirs.code.unwrap_or_default()) || len > ResponseHead::MAX {
        return;
    }
    // Where the blank line is missing, the first delimiter ends the head: no field's name begins like one.
    if theirs.headers.iter().any(|field| field.name.starts_with("--")) {
        return;
    }
    let (head, ours) = ours.expect("a head").expect("a whole head");
    assert_eq!((Some(head.status()), ours), (theirs.code, len));
    for name in theirs.headers.iter().map(|field| field.name) {
        let values = theirs.headers.iter().filter(|field| field.name.eq_ignore_ascii_case(name));
        let values: Vec<_> = values.map(|field| shown(field.value)).collect();
        assert_eq!(head.field_values(name).collect::<Vec<_>>(), values);
    }
}

/// A value as ours holds it: a blank in place of each control character, tabs among them.
fn shown(value: &[u8]) -> String {
    String::from_utf8_lossy(value).replace(char::is_control, " ").trim().to_owned()
}

/// What a head says can be shown and logged: it steers no terminal and ends no string.
pub fn heads_hold_no_control_characters(bytes: &[u8]) {
    let Ok(Some((head, _))) = ResponseHead::parse(bytes) else { return };
    let media_type = head.media_type();
    let texts = [head.reason(), media_type.essence(), media_type.boundary().unwrap_or_default()];
    assert!(texts.iter().all(|text| !text.contains(char::is_control)), "{texts:?}");
    assert_eq!(MediaType::parse(media_type.essence()).essence(), media_type.essence());
}

/// However a chunked body is cut, the same comes out of it.
pub fn chunking_never_changes_the_body(body: &[u8], sizes: &[usize]) {
    assert_eq!(decode(&pieces(body, sizes)), decode(&[body]));
}

/// A body that is chunked by the book holds what the book says.
pub fn bodies_by_the_book_are_read_by_the_book(body: &[u8]) {
    if let Some(data) = by_the_book(body) {
        assert_eq!(decode(&[body]), (Ok(false), data));
    }
}

fn decode(pieces: &[&[u8]]) -> (Result<bool, ChunkedError>, Vec<u8>) {
    let (mut chunked, mut out) = (Chunked::announced(), Vec::new());
    for piece in pieces {
        match chunked.decode(piece, |data| out.extend_from_slice(data)) {
            Ok(true) => {}
            ended => return (ended, out),
        }
    }
    (Ok(true), out)
}

/// The data of a body, with the lengths of its chunks read by `httparse`; `None` where it is no such body to its end.
fn by_the_book(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut data = Vec::new();
    loop {
        let Ok(httparse::Status::Complete((line, len))) = httparse::parse_chunk_size(body) else { return None };
        // httparse reads a length without a digit as 0, and ends no line at LF alone, as many cameras do.
        let ended = body[..line].iter().position(|byte| *byte == b'\n') == Some(line - 1);
        if line > SHORT_LINE || !body[0].is_ascii_hexdigit() || !ended {
            return None;
        }
        let len = usize::try_from(len).ok()?;
        if len == 0 {
            return Some(data);
        }
        data.extend(body.get(line..line.checked_add(len)?)?);
        body = body.get(line + len..)?.strip_prefix(b"\r\n")?;
    }
}

/// Bytes of a line with a length that is read by everybody.
const SHORT_LINE: usize = 64;
