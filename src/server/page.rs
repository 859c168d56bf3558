//! The page at `/`.

/// Shows the stream with its rate and age; needs nothing from elsewhere.
pub(super) const HTML: &[u8] = include_bytes!("page.html");
