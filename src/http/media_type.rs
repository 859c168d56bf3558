//! The value of a Content-Type field.

/// A media type and its boundary parameter (RFC 9110 8.3.1), read leniently.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    boundary: Option<String>,
}

impl MediaType {
    /// Reads a Content-Type value. There is none that cannot be read.
    ///
    /// # Examples
    ///
    /// ```
    /// use gstmjpeghttp::http::MediaType;
    ///
    /// let media_type = MediaType::parse("multipart/x-mixed-replace; boundary =\"frame\"");
    /// assert!(media_type.is_multipart());
    /// assert_eq!(media_type.boundary(), Some("frame"));
    /// ```
    pub fn parse(value: &str) -> Self {
        let mut parts = value.split(';');
        let essence = parts.next().unwrap_or_default().trim().to_ascii_lowercase();
        let boundary = parts.filter_map(|part| part.split_once('=')).find_map(|(name, value)| {
            // Seen: `boundary =x` (Panasonic WV-NP), quotes (Mobotix, Lumenera).
            name.trim().eq_ignore_ascii_case("boundary").then(|| value.trim().trim_matches('"').to_owned())
        });
        Self { essence, boundary: boundary.filter(|text| !text.is_empty()) }
    }

    /// Type and subtype in lower case: `multipart/x-mixed-replace`.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The boundary parameter, quotes taken off. Only a hint: many cameras use another one in the body.
    pub fn boundary(&self) -> Option<&str> {
        self.boundary.as_deref()
    }

    /// Whether it is a multipart type: `x-mixed-replace`, or `mixed` as Airlink101 and ITV send.
    pub fn is_multipart(&self) -> bool {
        self.essence.starts_with("multipart/")
    }

    /// Whether it says that the body holds no JPEG pictures: a page, a text, a playlist, a film or picture of another
    /// kind. Types that say nothing (`application/octet-stream`, as ffmpeg sends) and other image and video types may
    /// hold them.
    pub fn is_no_picture(&self) -> bool {
        self.essence.starts_with("text/")
            || self.essence.starts_with("audio/")
            || OTHERS.contains(&self.essence.as_str())
    }
}

/// Types of what is often found where a stream is looked for, and is none.
const OTHERS: [&str; 14] = [
    "application/json",
    "application/xml",
    "application/xhtml+xml",
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "application/dash+xml",
    "image/gif",
    "image/png",
    "image/svg+xml",
    "image/webp",
    "video/mp2t",
    "video/mp4",
    "video/webm",
    "video/x-flv",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boundaries_of_the_field_are_read() {
        for (value, boundary) in [
            ("multipart/x-mixed-replace;boundary=boundarydonotcross", Some("boundarydonotcross")),
            ("multipart/x-mixed-replace; boundary=--myboundary", Some("--myboundary")),
            ("multipart/x-mixed-replace; boundary =b0", Some("b0")),
            ("multipart/x-mixed-replace; charset=x; BOUNDARY=\"a b\"", Some("a b")),
            ("multipart/x-mixed-replace", None),
            ("multipart/x-mixed-replace; boundary=", None),
        ] {
            assert_eq!(MediaType::parse(value).boundary(), boundary, "{value:?}");
        }
    }

    #[test]
    fn a_page_or_film_is_no_picture_and_a_type_that_says_nothing_may_be_one() {
        for value in ["text/html; charset=utf-8", "TEXT/plain", "application/json", "video/mp4", "image/PNG"] {
            assert!(MediaType::parse(value).is_no_picture(), "{value:?}");
        }
        for value in ["", "application/octet-stream", "image/jpeg", "multipart/mixed", "video/x-motion-jpeg"] {
            assert!(!MediaType::parse(value).is_no_picture(), "{value:?}");
        }
    }
}
