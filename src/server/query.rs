//! The query of a request's address.

use std::borrow::Cow;

use hyper::Uri;

/// The value of a parameter, which is empty for a name alone; those we do not know are nobody's business.
pub(super) fn value<'a>(uri: &'a Uri, name: &str) -> Option<Cow<'a, str>> {
    let mut pairs = uri.query()?.split('&').map(|pair| pair.split_once('=').unwrap_or((pair, "")));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| decoded(value))
}

/// The path of an address with the characters that never need a code written as themselves, which means the same (RFC 3986
/// 6.2.2.2); all others stay as they are.
pub(super) fn path(uri: &Uri) -> Cow<'_, str> {
    let path = uri.path();
    let mut pieces = path.split('%');
    let first = pieces.next().unwrap_or_default();
    if first.len() == path.len() {
        return path.into();
    }
    let plain = |piece: &str| {
        let (digits, rest) = piece.as_bytes().split_first_chunk()?;
        let byte = byte(digits).filter(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(byte))?;
        Some(format!("{}{}", char::from(byte), std::str::from_utf8(rest).ok()?))
    };
    pieces.fold(first.to_owned(), |path, piece| path + &plain(piece).unwrap_or_else(|| format!("%{piece}"))).into()
}

/// Programs may write any character as its code (RFC 3986 2.1, 2.4), and some do so with each that is no letter. What
/// is no code, or none of a text, stays as it is.
fn decoded(value: &str) -> Cow<'_, str> {
    if !value.contains('%') {
        return value.into();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = after.split_first_chunk().filter(|_| *first == b'%');
        let (byte, behind) =
            escaped.and_then(|(digits, behind)| Some((byte(digits)?, behind))).unwrap_or((*first, after));
        bytes.push(byte);
        rest = behind;
    }
    String::from_utf8(bytes).map_or(value.into(), Cow::Owned)
}

/// The byte that two hexadecimal digits stand for.
fn byte(digits: &[u8; 2]) -> Option<u8> {
    let digits = std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    u8::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_among_others_whatever_they_look_like() {
        let uri = Uri::from_static("/stream?dummy=x.mjpg&&=&fresh&fps=5=6&layout=advance&layout=standard&?=/");
        assert_eq!(value(&uri, "layout").as_deref(), Some("advance"));
        assert_eq!(value(&uri, "fresh").as_deref(), Some(""));
        assert_eq!(value(&uri, "fps").as_deref(), Some("5=6"));
        assert_eq!(value(&uri, "fp"), None);
        assert_eq!(value(&Uri::from_static("/stream"), "layout"), None);
    }

    #[test]
    fn letters_of_a_path_may_be_written_as_their_codes() {
        for (written, path_is) in [
            ("/stream", "/stream"),
            ("/%73tre%61m", "/stream"),
            ("/a%7Eb%2d%2E", "/a~b-."),
            // What separates, or is none of these, means something else as itself.
            ("/a%2Fb%20%C3%A4%25%7e", "/a%2Fb%20%C3%A4%25~"),
            ("/%", "/%"),
            ("/%4", "/%4"),
            ("/%zz%", "/%zz%"),
            ("/%2561", "/%2561"),
        ] {
            let uri = written.parse().expect("an address");
            assert_eq!(path(&uri), path_is, "{written}");
        }
    }

    #[test]
    fn characters_may_be_written_as_their_codes() {
        for (query, text) in [
            ("a=%35", "5"),
            ("a=a-b.c_d%7Ee%2d", "a-b.c_d~e-"),
            ("a=%C3%A4+%26", "ä+&"),
            // None of a text.
            ("a=%ff%35", "%ff%35"),
            ("a=%", "%"),
            ("a=%3", "%3"),
            ("a=5%%35%zz%+5", "5%5%zz%+5"),
            ("a=%2535", "%35"),
        ] {
            let uri = format!("/?{query}").parse().expect("an address");
            assert_eq!(value(&uri, "a").as_deref(), Some(text), "{query}");
        }
    }
}
