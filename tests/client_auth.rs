//! Users and passwords: every challenge is answered as its RFC has it, once, and only where there was one.

mod common;

use std::collections::BTreeMap;

use common::{
    jpeg,
    script_server::{Script, ScriptServer, Step, answer, head, part},
    source::{Source, assert_same},
};
use glib::ChecksumType;
use gst::ResourceError;

const USER: &str = "camera user";
const PASSWORD: &str = "pass:w@rd \u{e9}\"\\";
const NONCE: &str = "dcd98b7102dd2f0e8b11d0f600bfb0c093";

fn hash(kind: ChecksumType, text: &str) -> String {
    glib::compute_checksum_for_string(kind, text).expect("a known kind of checksum").to_string()
}

/// The value of Authorization that came with a request.
fn authorization(request: &str) -> Option<&str> {
    request.lines().find_map(|line| line.strip_prefix("Authorization: "))
}

/// The parameters of a Digest answer. No value of this test has a comma in it.
#[track_caller]
fn parameters(answer: &str) -> BTreeMap<&str, &str> {
    let parameters = answer.strip_prefix("Digest ").unwrap_or_else(|| panic!("{answer:?} is no Digest"));
    let pairs = parameters.split(", ").map(|pair| pair.split_once('=').expect("name=value"));
    pairs.map(|(name, value)| (name, value.trim_matches('"'))).collect()
}

/// RFC 7616 3.4.1 to 3.4.3, RFC 2069 2.1.2 where there is no qop.
fn response(kind: ChecksumType, is_session: bool, nonce: &str, answer: &BTreeMap<&str, &str>) -> String {
    let mut secret = hash(kind, &format!("{USER}:the realm:{PASSWORD}"));
    if is_session {
        secret = hash(kind, &format!("{secret}:{nonce}:{}", answer["cnonce"]));
    }
    let (what, qop) = match answer.get("qop") {
        Some(&"auth-int") => (format!("GET:/stream:{}", hash(kind, "")), "auth-int"),
        Some(qop) => ("GET:/stream".to_owned(), *qop),
        None => return hash(kind, &format!("{secret}:{nonce}:{}", hash(kind, "GET:/stream"))),
    };
    let (count, own) = (answer["nc"], answer["cnonce"]);
    hash(kind, &format!("{secret}:{nonce}:{count}:{own}:{qop}:{}", hash(kind, &what)))
}

/// An answer 401 with this value, or values, of WWW-Authenticate.
fn challenge(values: &[&str]) -> Script {
    let fields: String = values.iter().map(|value| format!("\r\nWWW-Authenticate: {value}")).collect();
    answer(&format!("401 Unauthorized{fields}"))
}

fn stream() -> Script {
    vec![head(), part(&jpeg::picture(0))]
}

/// A source that knows user and password.
fn known(server: &ScriptServer) -> Source {
    Source::new(&server.url()).set("user-id", USER).set("user-pw", PASSWORD).hasty()
}

/// Challenges once, and gives the value of Authorization of the request after that; none came before.
#[track_caller]
fn answer_to(challenges: &[&str]) -> String {
    let server = ScriptServer::play([challenge(challenges), stream()]);
    let source = known(&server).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the password");
    assert_eq!(authorization(&server.request().head), None, "nothing is told that was not asked for");
    let request = server.request();
    assert!(request.alone, "one connection at a time");
    authorization(&request.head).expect("an answer to the challenge").to_owned()
}

/// Challenges with Digest and checks the answer. `offered` comes after realm and nonce.
#[track_caller]
fn assert_digest(offered: &str, kind: ChecksumType, is_session: bool, chosen: Option<&str>) {
    let value = answer_to(&[&format!("Digest realm=\"the realm\", nonce=\"{NONCE}\"{offered}")]);
    let answer = parameters(&value);
    assert_eq!((answer["username"], answer["uri"], answer["nonce"]), (USER, "/stream", NONCE), "{value}");
    assert_eq!(answer.get("qop").copied(), chosen, "{value}");
    assert_eq!(answer["response"], response(kind, is_session, NONCE, &answer), "{value}");
}

#[test]
fn basic_is_answered() {
    let encoded = glib::base64_encode(format!("{USER}:{PASSWORD}").as_bytes());
    for challenge in ["Basic realm=\"x\"", "basic realm=x", "Basic realm=\"a \\\"b\\\"\", charset=\"UTF-8\""] {
        assert_eq!(answer_to(&[challenge]), format!("Basic {encoded}"), "{challenge}");
    }
}

/// Seen from outside: "check user-id and user-pw" though both were right.
#[test]
fn answer_without_any_challenge_is_taken_for_basic_once() {
    let encoded = glib::base64_encode(format!("{USER}:{PASSWORD}").as_bytes());
    assert_eq!(answer_to(&[]), format!("Basic {encoded}"));
    let server = ScriptServer::play(std::iter::repeat(challenge(&[])));
    let source = known(&server).play();
    source.assert_fails(ResourceError::NotAuthorized, &["401 Unauthorized", "check user-id and user-pw"]);
    let answers = [server.request(), server.request()].map(|request| authorization(&request.head).is_some());
    assert_eq!((answers, server.more_requests()), ([false, true], 0));
}

#[test]
fn digest_without_realm_is_answered_for_an_empty_one() {
    let value = answer_to(&[&format!("Digest nonce=\"{NONCE}\"")]);
    let answer = parameters(&value);
    let hash = |text: &str| hash(ChecksumType::Md5, text);
    let secret = hash(&format!("{USER}::{PASSWORD}"));
    assert_eq!(answer["realm"], "");
    assert_eq!(answer["response"], hash(&format!("{secret}:{NONCE}:{}", hash("GET:/stream"))));
}

#[test]
fn digest_without_qop_is_answered() {
    assert_digest("", ChecksumType::Md5, false, None);
    assert_digest(", algorithm=MD5", ChecksumType::Md5, false, None);
}

#[test]
fn digest_with_auth_is_answered() {
    for qop in [
        "qop=\"auth\"",
        "qop=auth",
        "algorithm=MD5, qop=\"auth\"",
        "algorithm=\"MD5\",qop=auth",
        "algorithm=md5, qop=auth",
        // Seen from outside: "check user-id and user-pw" though both were right.
        "qop=\"auth\"; stale=false;",
        "qop=\"auth\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"",
    ] {
        assert_digest(&format!(", {qop}"), ChecksumType::Md5, false, Some("auth"));
    }
}

#[test]
fn auth_is_chosen_where_auth_int_is_offered_too() {
    for qop in ["auth,auth-int", "auth-int,auth", "auth, auth-int"] {
        assert_digest(&format!(", qop=\"{qop}\""), ChecksumType::Md5, false, Some("auth"));
    }
}

/// Seen from outside: 401 with the right password, as the hash of the body was left out of the digest.
#[test]
fn auth_int_alone_is_answered_for_the_empty_body() {
    assert_digest(", qop=\"auth-int\"", ChecksumType::Md5, false, Some("auth-int"));
    assert_digest(", algorithm=SHA-256, qop=\"auth-int\"", ChecksumType::Sha256, false, Some("auth-int"));
}

#[test]
fn digest_of_a_session_is_answered() {
    assert_digest(", algorithm=MD5-sess, qop=\"auth\"", ChecksumType::Md5, true, Some("auth"));
}

#[test]
fn digest_with_sha_256_is_answered() {
    assert_digest(", algorithm=SHA-256, qop=\"auth\"", ChecksumType::Sha256, false, Some("auth"));
    assert_digest(", algorithm=SHA-256-sess, qop=\"auth\"", ChecksumType::Sha256, true, Some("auth"));
}

#[test]
fn opaque_comes_back_as_it_was() {
    let value =
        answer_to(&[&format!("Digest realm=\"the realm\",nonce=\"{NONCE}\",qop=\"auth\",opaque=\"5cc+/=9c40\"")]);
    assert_eq!(parameters(&value)["opaque"], "5cc+/=9c40", "{value}");
}

#[test]
fn digest_of_a_realm_that_is_not_ascii_is_answered() {
    let value = answer_to(&[&format!("Digest realm=\"K\u{fc}che\"; nonce=\"{NONCE}\"")]);
    let answer = parameters(&value);
    let hash = |text: &str| hash(ChecksumType::Md5, text);
    let secret = hash(&format!("{USER}:K\u{fc}che:{PASSWORD}"));
    assert_eq!(answer["realm"], "K\u{fc}che");
    assert_eq!(answer["response"], hash(&format!("{secret}:{NONCE}:{}", hash("GET:/stream"))));
}

#[test]
fn digest_is_preferred_in_two_fields_and_in_one() {
    let digest = format!("Digest realm=\"the realm\", nonce=\"{NONCE}\", qop=\"auth\"");
    let basic = "Basic realm=\"the realm\"";
    for challenges in [
        vec![&*digest, basic],
        vec![basic, &*digest],
        vec![&*format!("{basic}, {digest}")],
        vec![&*format!("{digest}, {basic}")],
        vec!["Negotiate", "NTLM", &*digest],
        vec![&*format!("Bearer realm=\"x\", {digest}")],
    ] {
        let value = answer_to(&challenges);
        let answer = parameters(&value);
        assert_eq!(answer["response"], response(ChecksumType::Md5, false, NONCE, &answer), "{challenges:?}");
    }
}

#[test]
fn what_cannot_be_read_beside_a_challenge_is_passed_over() {
    let encoded = glib::base64_encode(format!("{USER}:{PASSWORD}").as_bytes());
    for unreadable in ["Digest realm=\"x\"", "Digest realm=\"x\", nonce=\"n\", algorithm=MD9", "\"", "="] {
        assert_eq!(answer_to(&[unreadable, "Basic realm=\"x\""]), format!("Basic {encoded}"), "{unreadable}");
    }
}

#[test]
fn stale_nonce_is_answered_anew() {
    let first = format!("Digest realm=\"the realm\", nonce=\"{NONCE}\", qop=\"auth\"");
    let second = "Digest realm=\"the realm\", nonce=\"fresh\", qop=\"auth\", stale=TRUE";
    let server = ScriptServer::play([challenge(&[&first]), challenge(&[second]), stream()]);
    let source = known(&server).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the password");
    let requests = [server.request().head, server.request().head, server.request().head];
    let nonces = requests.each_ref().map(|request| authorization(request).map(|answer| parameters(answer)["nonce"]));
    assert_eq!(nonces, [None, Some(NONCE), Some("fresh")]);
    let answer = parameters(authorization(&requests[2]).expect("just seen"));
    assert_eq!(answer["response"], response(ChecksumType::Md5, false, "fresh", &answer));
}

#[test]
fn for_ever_stale_is_an_error() {
    let value = format!("Digest realm=\"the realm\", nonce=\"{NONCE}\", qop=\"auth\", stale=true");
    let server = ScriptServer::play(std::iter::repeat(challenge(&[&value])));
    let source = known(&server).play();
    source.assert_fails(ResourceError::NotAuthorized, &["401", "user-id", "user-pw"]);
    // The question, the answer, the answer made anew.
    (0..3).for_each(|_| drop(server.request()));
    assert_eq!(server.more_requests(), 0);
}

#[test]
fn wrong_password_is_tried_once() {
    for value in ["Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\", qop=\"auth\""] {
        let server = ScriptServer::play(std::iter::repeat(challenge(&[value])));
        let source = known(&server).play();
        source.assert_fails(ResourceError::NotAuthorized, &["401 Unauthorized", "check user-id and user-pw"]);
        let answers = [server.request(), server.request()].map(|request| authorization(&request.head).is_some());
        assert_eq!((answers, server.more_requests()), ([false, true], 0), "{value}");
    }
}

/// Cameras lock out who tries a wrong password again. Seen from outside: two answers for each try, as the first one is
/// sent unasked where the server asked for it before.
#[test]
fn a_password_that_has_become_wrong_is_sent_once_a_try() {
    for value in ["Basic realm=\"x\"", "Digest realm=\"x\", nonce=\"n\", qop=\"auth\""] {
        let played = [stream(), vec![Step::Close]].concat();
        let server =
            ScriptServer::play([challenge(&[value]), played].into_iter().chain(std::iter::repeat(challenge(&[value]))));
        let source = known(&server).hasty().play();
        source.frame();
        let reasons =
            std::iter::repeat_with(|| source.change()).filter_map(|change| change.get::<String>("reason").ok());
        assert!(reasons.take(2).any(|reason| reason.contains("401")), "{value}");
        let answers =
            [server.request(), server.request(), server.request()].map(|asked| authorization(&asked.head).is_some());
        assert_eq!((answers, server.more_requests()), ([false, true, true], 0), "{value}");
    }
}

/// Cameras that were restarted do not know their own nonce, and not all say that it is stale.
#[test]
fn a_nonce_that_is_not_known_any_more_is_replaced() {
    let asks = |nonce: &str| challenge(&[&format!("Digest realm=\"the realm\", nonce=\"{nonce}\", qop=\"auth\"")]);
    let played = [stream(), vec![Step::Close]].concat();
    let server = ScriptServer::play([asks(NONCE), played, asks("other"), stream()]);
    let source = known(&server).hasty().lossless().play();
    source.frame();
    source.frame();
    let nonces = [(); 4].map(|()| {
        let head = server.request().head;
        authorization(&head).map(|answer| parameters(answer)["nonce"].to_owned())
    });
    assert_eq!(nonces, [None, Some(NONCE.to_owned()), Some(NONCE.to_owned()), Some("other".to_owned())]);
}

#[test]
fn challenge_that_nobody_can_answer_is_an_error_at_once() {
    for values in [&["NTLM"][..], &["Bearer realm=\"x\""]] {
        let server = ScriptServer::play(std::iter::repeat(challenge(values)));
        let source = known(&server).play();
        source.assert_fails(ResourceError::NotAuthorized, &["401 Unauthorized"]);
        server.request();
        assert_eq!(server.more_requests(), 0, "{values:?}");
    }
}

#[test]
fn user_and_password_may_stand_in_the_location() {
    let digest = format!("Digest realm=\"the realm\", nonce=\"{NONCE}\", qop=\"auth\"");
    let server = ScriptServer::play([challenge(&[&digest]), stream()]);
    let location = format!("http://camera%20user:pass%3Aw%40rd%20%C3%A9%22%5C@{}/stream", server.address());
    let source = Source::playing(&location);
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the password");
    let requests = [server.request().head, server.request().head];
    let answer = parameters(authorization(&requests[1]).expect("an answer to the challenge"));
    assert_eq!(answer["response"], response(ChecksumType::Md5, false, NONCE, &answer));
    assert!(requests.iter().all(|request| !request.contains('@')), "{requests:?}");
}

/// Seen from outside: 401, as the token was dropped.
#[test]
fn password_of_nobody_in_the_location_is_sent() {
    let server = ScriptServer::play([challenge(&["Basic realm=\"x\""]), stream()]);
    let source = Source::playing(&format!("http://:token@{}/stream", server.address()));
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the password");
    server.request();
    let encoded = glib::base64_encode(b":token");
    assert_eq!(authorization(&server.request().head), Some(&*format!("Basic {encoded}")));
}

#[test]
fn properties_count_before_the_location() {
    let server = ScriptServer::play([challenge(&["Basic realm=\"x\""]), stream()]);
    let source = Source::new(&format!("http://other:wrong@{}/stream", server.address()));
    let source = source.set("user-id", "a").set("user-pw", "b").play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the password");
    server.request();
    assert_eq!(authorization(&server.request().head), Some("Basic YTpi"));
}

#[test]
fn connection_after_a_loss_answers_at_once() {
    let digest = format!("Digest realm=\"the realm\", nonce=\"{NONCE}\", qop=\"auth\"");
    let lost = [stream(), vec![Step::Close]].concat();
    let server = ScriptServer::play([challenge(&[&digest]), lost, stream()]);
    let source = known(&server).lossless().play();
    source.frame();
    source.frame();
    let requests = [server.request().head, server.request().head, server.request().head];
    let answers = requests.each_ref().map(|request| authorization(request).map(parameters));
    let [None, Some(first), Some(second)] = answers else { panic!("{answers:?}") };
    assert_eq!((first["nc"], second["nc"]), ("00000001", "00000002"), "the nonce is counted");
    assert_eq!(second["response"], response(ChecksumType::Md5, false, NONCE, &second));
}

/// Cameras with a new nonce for every connection do not always call the old one stale.
#[test]
fn new_challenge_after_a_loss_is_answered() {
    let digest = |nonce| challenge(&[&format!("Digest realm=\"the realm\", nonce=\"{nonce}\", qop=\"auth\"")]);
    let lost = [stream(), vec![Step::Close]].concat();
    let server = ScriptServer::play([digest("one"), lost, digest("two"), stream()]);
    let source = known(&server).lossless().play();
    source.frame();
    source.frame();
    assert_eq!(source.stat("reconnects"), 1);
    let requests: Vec<_> = (0..4).map(|_| server.request().head).collect();
    assert_eq!(parameters(authorization(&requests[3]).expect("an answer"))["nonce"], "two");
}
