//! The query of a request's address.

use hyper::Uri;

/// The value of a parameter; those we do not know are nobody's business.
pub(super) fn value<'a>(uri: &'a Uri, name: &str) -> Option<&'a str> {
    let pairs = uri.query()?.split('&');
    pairs.filter_map(|pair| pair.split_once('=')).find(|(known, _)| *known == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_found_among_others_whatever_they_look_like() {
        let uri = Uri::from_static("/stream?dummy=x.mjpg&&=&layout&fps=5=6&layout=advance&layout=standard&?=/");
        assert_eq!(value(&uri, "layout"), Some("advance"));
        assert_eq!(value(&uri, "fps"), Some("5=6"));
        assert_eq!(value(&uri, "fp"), None);
        assert_eq!(value(&Uri::from_static("/stream"), "layout"), None);
    }
}
