//! What holds for what the client makes of a server's words.

use gstmjpeghttp::{
    client::{Answers, Coding, Credentials, Location, is_field_text},
    http::ResponseHead,
};

use super::pieces;

/// Whatever a server asks for, the answer is one line.
pub fn answers_to_challenges_are_one_line(challenges: &[&str], credentials: &Credentials, target: &str) {
    let mut answers = Answers::default();
    let can_be_answered = answers.challenge(challenges);
    for _ in 0..2 {
        let answer = answers.authorization(credentials, target);
        assert!(can_be_answered || answer.is_none(), "nothing was asked for");
        assert!(answer.is_none_or(|answer| is_field_text(&answer)), "it would end its line");
    }
}

/// The URL of a location is the location, but for its user and password, and fits into a request line.
pub fn locations_are_their_urls(text: &str) {
    let Ok(location) = Location::parse(text) else { return };
    let shown = location.url();
    assert!(!shown.contains(|c: char| c.is_control() || c == ' '), "{shown:?} would end its place in the request");
    let again = Location::parse(&shown).unwrap_or_else(|error| panic!("{shown:?}: {error}"));
    // Of percent signs that hide nothing GLib may make some that do (`%%44a` is `%Da`), which it reads otherwise then.
    assert!(again.url() == shown || hides_nothing(text), "{shown:?} is {:?}", again.url());
    assert_eq!(again.credentials(), None, "{shown:?} shows a user");
    let query = shown.split_once('?').map_or("", |(_, query)| query);
    assert!(query.is_empty() || location.to_string().ends_with("?…"), "{location} shows a query");
}

/// Whether a percent sign has no two hexadecimal digits behind it.
fn hides_nothing(text: &str) -> bool {
    let hides = |after: &str| after.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    text.split('%').skip(1).any(|after| !hides(after))
}

/// A redirection leads to a location that holds by the law above, and takes no user along.
pub fn redirections_are_locations(from: &str, target: &str) {
    let Ok(from) = Location::parse(from) else { return };
    if let Ok(to) = from.redirected(target) {
        locations_are_their_urls(&to.url());
    }
}

/// However a body is cut, the same comes out of it, unless it is damaged: then not more than until there.
pub fn chunking_never_changes_a_coded_body(head: &ResponseHead, body: &[u8], sizes: &[usize]) {
    let (in_pieces, whole) = (decode(head, &pieces(body, sizes)), decode(head, &[body]));
    assert_eq!(in_pieces.0, whole.0, "whether it is damaged, whether it goes on");
    if in_pieces.0.is_some() {
        assert!(in_pieces.1 == whole.1, "{} and {} bytes", in_pieces.1.len(), whole.1.len());
    }
    assert!(in_pieces.1.starts_with(&whole.1) || whole.1.starts_with(&in_pieces.1));
}

/// Whether the body goes on, `None` when it is damaged, and what it held.
fn decode(head: &ResponseHead, pieces: &[&[u8]]) -> (Option<bool>, Vec<u8>) {
    let (mut coding, mut out) = (Coding::new(head), Vec::new());
    for piece in pieces {
        match coding.decode(piece, |data| out.extend_from_slice(data)) {
            Ok(true) => {}
            ended => return (ended.ok(), out),
        }
    }
    (Some(true), out)
}
