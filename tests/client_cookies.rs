//! Cookies that servers set: they come back where they belong, for as long as that helps.

mod common;

use common::{
    jpeg,
    script_server::{Script, ScriptServer, Step, answer, head, part},
    source::{Source, assert_same},
};

fn stream() -> Script {
    vec![head(), part(&jpeg::picture(0))]
}

/// An answer without a body that sets cookies.
fn setting(status: &str, cookies: &[&str]) -> Script {
    let fields: String = cookies.iter().map(|cookie| format!("\r\nSet-Cookie: {cookie}")).collect();
    answer(&format!("{status}{fields}"))
}

/// The cookies that came with the next request.
#[track_caller]
fn cookies(server: &ScriptServer) -> Option<String> {
    let head = server.request().head;
    head.lines().find_map(|line| line.strip_prefix("Cookie: ")).map(str::to_owned)
}

/// Seen from outside: "redirects more than 10 times".
#[test]
fn redirection_to_itself_plays_once_the_cookie_comes_back() {
    let set = setting("302 Found\r\nLocation: /stream", &["session=abc; path=/; HttpOnly", "lang=en"]);
    let server = ScriptServer::play([set, stream()]);
    let source = Source::playing(&server.url());
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the cookie");
    assert_eq!([cookies(&server), cookies(&server)], [None, Some("session=abc; lang=en".into())]);
}

#[test]
fn cookies_of_a_login_come_back_where_their_path_has_it() {
    let server = ScriptServer::play([
        setting("302 Found\r\nLocation: /login/check", &["a=1", "b=2; Path=/login"]),
        setting("302 Found\r\nLocation: /stream", &["c=3; Path=/", "a=; Path=/; Max-Age=0", "d=4; Path=/; Secure"]),
        stream(),
    ]);
    let source = Source::playing(&server.url());
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the login");
    let seen = [cookies(&server), cookies(&server), cookies(&server)];
    assert_eq!(seen, [None, Some("b=2; a=1".into()), Some("c=3".into())]);
}

#[test]
fn cookies_of_a_challenge_come_back_with_its_answer() {
    let challenge = setting("401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"", &["session=abc"]);
    let server = ScriptServer::play([challenge, stream()]);
    let source = Source::new(&server.url()).set("user-id", "u").set("user-pw", "p").play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the password");
    assert_eq!([cookies(&server), cookies(&server)], [None, Some("session=abc".into())]);
}

#[test]
fn the_users_cookies_stay_as_they_are() {
    let set = setting("302 Found\r\nLocation: /stream", &["a=server", "b=server"]);
    let server = ScriptServer::play([set, stream()]);
    let source = Source::new(&server.url()).set("cookies", vec!["a=mine".to_owned()]).play();
    assert_same(&source.frame(), &jpeg::picture(0), "the picture behind the cookie");
    assert_eq!([cookies(&server), cookies(&server)], [Some("a=mine".into()), Some("a=mine; b=server".into())]);
}

#[test]
fn cookies_go_to_no_other_server() {
    let other = ScriptServer::play([stream()]);
    let set = setting(&format!("302 Found\r\nLocation: {}", other.url()), &["session=abc; Domain=127.0.0.1; Path=/"]);
    let server = ScriptServer::play([set]);
    let source = Source::playing(&server.url());
    assert_same(&source.frame(), &jpeg::picture(0), "the picture of the other server");
    assert_eq!(cookies(&other), None);
}

/// A camera that was restarted refuses the session of before.
#[test]
fn cookies_come_back_after_a_loss_until_they_are_refused() {
    let login = |cookie| setting("302 Found\r\nLocation: /stream", &[cookie]);
    let lost = [stream(), vec![Step::Close]].concat();
    let server =
        ScriptServer::play([login("session=old"), lost, answer("403 Forbidden"), login("session=new"), stream()]);
    let source = Source::new(&server.url()).hasty().lossless().play();
    source.frame();
    source.frame();
    let seen: Vec<_> = (0..5).map(|_| cookies(&server)).collect();
    let (old, new) = (Some("session=old".to_owned()), Some("session=new".to_owned()));
    assert_eq!(seen, [None, old.clone(), old, None, new]);
}
