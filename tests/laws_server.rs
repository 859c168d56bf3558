//! The laws of what the server answers, tried on what is likely to break them: requests by the book or nearly, and any
//! frames of HTTP/2.

#[path = "laws/any.rs"]
mod any;
mod common;
#[path = "laws/mod.rs"]
mod laws;

use any::{any_bytes, any_sizes};
use common::pipe::{PREFACE, frame, get};
use gstmjpeghttp::server::Spoken;
use laws::server::{TOKEN, Visit, answers_are_those_of_a_server};
use proptest::{prelude::*, test_runner::RngSeed};

/// The same cases on each run, so that a change is what makes a law fail.
fn config() -> ProptestConfig {
    ProptestConfig { cases: 400, failure_persistence: None, rng_seed: RngSeed::Fixed(1), ..ProptestConfig::default() }
}

/// What is asked of a server, by the book or nearly.
fn any_request() -> impl Strategy<Value = Vec<u8>> {
    let target = "(http://x)?/?/?(door/?)?(stream|snapshot|status|health|metrics|favicon.ico|[!-~]{0,9})";
    let query = r"(\?(fresh=1|fps=[0-9.]{1,3}|layout=(advance|standard)|action=(stream|snapshot)|token=x|[ -~]{0,9}))?";
    let line = format!("(GET|HEAD|OPTIONS|POST|[A-Z]{{1,3}}) {target}{query} HTTP/1.[01]\r?\n");
    let name = "(Connection|Content-Length|Expect|If-None-Match|Authorization|Transfer-Encoding|Origin|[A-Za-z-]{1,9})";
    let value = r"(close|keep-alive|chunked|100-continue|\*|[0-9]{1,3}|Bearer x|[ -~]{0,12})";
    let fields = format!("({name}: ?{value}\r?\n){{0,4}}\r?\n");
    let [line, fields] = [line, fields].map(|text| prop::string::string_regex(&text).expect("an expression"));
    (line, fields, any::<bool>()).prop_map(|(line, fields, told)| {
        let line = if told { line.replacen("token=x", &format!("token={TOKEN}"), 1) } else { line };
        [line, fields].concat().into_bytes()
    })
}

/// A frame of HTTP/2 that asks for something, or any other.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let path = "(/|/stream|/snapshot|/status|/door/|[!-~]{0,9})";
    let request = (prop::sample::select(vec![1, 3, 5, 7]), prop::sample::select(vec![4, 5]), path)
        .prop_map(|(stream, flags, path)| frame(1, flags, stream, &get(&path)));
    let other = (0..12_u8, any::<u8>(), 0..9_u32, any_bytes())
        .prop_map(|(kind, flags, stream, payload)| frame(kind, flags, stream, &payload));
    prop_oneof![2 => request, 1 => other]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_requests_are_answered_as_a_server_does(
        requests in prop::collection::vec(any_request(), 0..5), at in any::<prop::sample::Index>(), bytes in any_bytes(),
        sizes in any_sizes(), room in 1..600_usize, (guarded, open, deaf) in any::<(bool, bool, bool)>(),
    ) {
        let asked = requests.concat();
        let (before, after) = asked.split_at(at.index(asked.len() + 1));
        for bytes in [&asked, &[before, &bytes, after].concat()] {
            let visit = Visit { spoken: Spoken::Http1, bytes, sizes: &sizes, room, guarded, open, deaf };
            answers_are_those_of_a_server(visit);
        }
    }

    #[test]
    fn any_frames_are_answered_as_a_server_does(
        frames in prop::collection::vec(any_frame(), 0..9), sizes in any_sizes(), room in 1..600_usize,
        (guarded, open, deaf) in any::<(bool, bool, bool)>(),
    ) {
        let bytes = [PREFACE, &frames.concat()].concat();
        let visit = Visit { spoken: Spoken::Http2, bytes: &bytes, sizes: &sizes, room, guarded, open, deaf };
        answers_are_those_of_a_server(visit);
    }
}
