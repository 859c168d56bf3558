//! The head of a part: the few fields that help, out of whatever lines stand before a picture.

use memchr::memmem;

/// The fields of a part head. All are hints.
#[derive(Clone, Debug, Default)]
pub(super) struct Head {
    content_type: Option<String>,
    content_length: Option<String>,
    timestamp: Option<String>,
    /// The field that a folded line continues.
    last: Option<Field>,
    any: bool,
}

/// What a line between two pictures is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Blank,
    /// A delimiter, and the field that some cameras glue to it (old picamera recipes, viseron).
    Delimiter(&'a [u8], Option<&'a [u8]>),
    /// A line that continues the one before (RFC 5322 2.2.3).
    Folded(&'a [u8]),
    Field(&'a [u8]),
    Other,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Type,
    Length,
    Timestamp,
}

impl<'a> Line<'a> {
    /// Judges a line whose line feed is taken off.
    pub(super) fn of(line: &'a [u8]) -> Self {
        let trimmed = line.trim_ascii_end();
        if trimmed.is_empty() {
            return Line::Blank;
        }
        if !trimmed.iter().all(|b| matches!(b, b'\t' | b' '..=b'~' | 0x80..)) {
            return Line::Other;
        }
        if trimmed.starts_with(b"--") && trimmed.len() <= MAX_DELIMITER && trimmed.is_ascii() {
            return match glued_field(trimmed) {
                Some(at) => Line::Delimiter(trimmed[..at].trim_ascii_end(), Some(&trimmed[at..])),
                None => Line::Delimiter(trimmed, None),
            };
        }
        match trimmed {
            [b' ' | b'\t', ..] => Line::Folded(trimmed),
            _ if trimmed.contains(&b':') => Line::Field(trimmed),
            _ => Line::Other,
        }
    }
}

impl Head {
    /// Takes a field line.
    pub(super) fn field(&mut self, line: &[u8]) {
        let Some((name, value)) = split(line) else { return };
        self.any = true;
        self.last = Field::of(name);
        if let Some(field) = self.last {
            *self.value(field) = Some(String::from_utf8_lossy(value.trim_ascii()).into_owned());
        }
    }

    /// Takes a line that continues the last field.
    pub(super) fn folded(&mut self, line: &[u8]) {
        let Some(field) = self.last else { return };
        let value = self.value(field).get_or_insert_default();
        if value.len() > MAX_FOLDED {
            return;
        }
        if !value.is_empty() {
            value.push(' ');
        }
        value.push_str(&String::from_utf8_lossy(line.trim_ascii()));
    }

    /// Whether there was a field at all.
    pub(super) fn has_fields(&self) -> bool {
        self.any
    }

    /// The length it gives; `None` without one, with 0 or with what is no number (D-Link, Elegoo, node servers).
    pub(super) fn length(&self) -> Option<u64> {
        self.content_length.as_ref()?.parse().ok().filter(|len| *len > 0)
    }

    /// Whether it says that the part is something other than a JPEG. Misspelt types (`image/jpg`, `mage/jpeg`), those
    /// that say nothing and a multipart in the multipart do not count.
    pub(super) fn is_foreign(&self) -> bool {
        let Some(content_type) = &self.content_type else { return false };
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let neutral = ["jpeg", "jpg", "octet-stream", "multipart/"];
        essence.contains('/') && !neutral.iter().any(|word| essence.contains(word))
    }

    /// Whether it says that the part is a JPEG.
    pub(super) fn is_picture(&self) -> bool {
        let content_type = self.content_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        content_type.contains("jpeg") || content_type.contains("jpg")
    }

    /// The value of `X-Timestamp`, as it stands there.
    pub(super) fn timestamp(&self) -> Option<&str> {
        self.timestamp.as_deref().filter(|text| text.len() <= MAX_TIMESTAMP)
    }

    fn value(&mut self, field: Field) -> &mut Option<String> {
        match field {
            Field::Type => &mut self.content_type,
            Field::Length => &mut self.content_length,
            Field::Timestamp => &mut self.timestamp,
        }
    }
}

impl Field {
    fn of(name: &[u8]) -> Option<Self> {
        let name = name.trim_ascii();
        [(Self::Type, "content-type"), (Self::Length, "content-length"), (Self::Timestamp, "x-timestamp")]
            .into_iter()
            .find(|(_, known)| name.eq_ignore_ascii_case(known.as_bytes()))
            .map(|(field, _)| field)
    }
}

/// Whether a field line begins a part head for certain: the fields that stand in no other text.
pub(super) fn begins_head(line: &[u8]) -> bool {
    split(line).is_some_and(|(name, _)| matches!(Field::of(name), Some(Field::Type | Field::Length)))
}

/// Whether what a line ends with looks like a delimiter, as where the line end before it is missing.
pub(super) fn ends_with_delimiter(line: &[u8]) -> bool {
    let line = line.trim_ascii_end();
    let line = &line[line.len().saturating_sub(MAX_DELIMITER)..];
    let text = line.iter().rposition(|byte| !byte.is_ascii_graphic()).map_or(line, |at| &line[at + 1..]);
    memmem::find(text, b"--").is_some_and(|at| text.len() - at > 2)
}

fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|b| *b == b':')?;
    Some((&line[..colon], &line[colon + 1..]))
}

/// Where in a delimiter line a field begins that was glued to it.
fn glued_field(line: &[u8]) -> Option<usize> {
    let lower = line.to_ascii_lowercase();
    ["content-type:", "content-length:", "x-timestamp:"]
        .iter()
        .filter_map(|name| memmem::find(&lower, name.as_bytes()))
        .min()
}

/// Longest delimiter line, in bytes: RFC 2046 allows 74, and a field may be glued to it. A longer line that begins
/// with two dashes is text.
pub(super) const MAX_DELIMITER: usize = 256;

/// Bytes after which a folded field takes no further line. Chosen: no field that is read here is half as long. Without
/// it an endless head would fill the memory.
const MAX_FOLDED: usize = 1024;

/// Longest `X-Timestamp` kept, in bytes. Chosen: seconds with fraction have under 30 characters.
const MAX_TIMESTAMP: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn head(lines: &[&str]) -> Head {
        let mut head = Head::default();
        for line in lines {
            match Line::of(line.as_bytes()) {
                Line::Field(field) => head.field(field),
                Line::Folded(more) => head.folded(more),
                line => panic!("{line:?} is no field"),
            }
        }
        head
    }

    #[test]
    fn fields_are_read_however_they_are_spaced() {
        for line in ["Content-Length: 42", "content-length:42", "Content-length:      42 ", "Content-Length :42"] {
            assert_eq!(head(&[line]).length(), Some(42), "{line:?}");
        }
        assert_eq!(head(&["Content-Length:", "  42"]).length(), Some(42));
    }

    #[test]
    fn a_length_that_helps_nobody_is_none() {
        for value in ["0", "-1", "${len}", "", "99999999999999999999999"] {
            assert_eq!(head(&[&format!("Content-Length: {value}")]).length(), None, "{value:?}");
        }
    }

    #[test]
    fn only_a_type_that_is_certainly_not_jpeg_is_foreign() {
        for value in ["image/jpeg", "image/jpg;size=1", "mage/jpeg", "application/octet-stream", "", "IMAGE/JPEG"] {
            assert!(!head(&[&format!("Content-Type: {value}")]).is_foreign(), "{value:?}");
        }
        for value in ["text/xml", "audio/g711u", "video/x-h264; profile=high", "text/plain"] {
            assert!(head(&[&format!("Content-Type: {value}")]).is_foreign(), "{value:?}");
        }
    }

    #[test]
    fn a_delimiter_at_the_end_of_a_line_is_seen() {
        for line in ["\u{1}\u{2}--frame\r\n", "\0--b--\n", "--frame\r\n", "data ----WebKit1\r\n"] {
            assert!(ends_with_delimiter(line.as_bytes()), "{line:?}");
        }
        for line in ["", "--\r\n", "data --\r\n", "--frame and more\r\n", "-frame\r\n", "--\u{1}frame\n"] {
            assert!(!ends_with_delimiter(line.as_bytes()), "{line:?}");
        }
    }

    #[test]
    fn a_field_glued_to_the_delimiter_is_seen() {
        let line = Line::of(b"--jpgboundaryContent-Type: image/jpeg\r");
        assert_eq!(line, Line::Delimiter(b"--jpgboundary", Some(b"Content-Type: image/jpeg")));
    }

    #[test]
    fn binary_data_is_no_field() {
        assert_eq!(Line::of(b"\x00\x01:\x02"), Line::Other);
        assert_eq!(Line::of(b"--\x00\x01"), Line::Other);
    }
}
