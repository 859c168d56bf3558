//! One picture.

use std::{sync::Arc, task::Poll, time::Duration};

use hyper::{
    Request, Response, StatusCode,
    header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_NONE_MATCH},
};

use super::{
    camera::{Camera, Picture},
    query, reply,
    stream::Body,
};
use crate::fanout::{Next, Reader};

/// Which picture is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    /// The newest one, or the first one if there is none yet.
    Newest,
    /// The next one.
    Fresh,
}

/// Answers a request for a picture; waits for one where there is none to give.
pub(super) async fn answer<B>(request: &Request<B>, camera: &Camera) -> Response<Body> {
    let wanted = match query::value(request.uri(), "fresh").as_deref() {
        None | Some("0") => Wanted::Newest,
        Some("1") => Wanted::Fresh,
        Some(_) => return reply::text(StatusCode::BAD_REQUEST, "fresh is one of: 0, 1"),
    };
    match tokio::time::timeout(MAX_WAIT, picture(camera, wanted)).await {
        Ok(Some(picture)) => unless_known(request.headers(), &picture),
        Ok(None) => reply::unavailable("the pipeline has ended"),
        Err(_) if wanted == Wanted::Fresh => reply::unavailable("no new picture has come in time"),
        Err(_) => reply::unavailable("no picture has come yet"),
    }
}

/// The picture wanted; `None` when none will come.
async fn picture(camera: &Camera, wanted: Wanted) -> Option<Arc<Picture>> {
    let mut pictures = camera.fanout.subscribe();
    if wanted == Wanted::Fresh {
        // What is there already is taken off; what comes from here on is fresh.
        std::future::poll_fn(|cx| Poll::Ready(pictures.poll_next(cx).is_ready())).await;
    }
    next(&mut pictures).await
}

async fn next(pictures: &mut Reader<Arc<Picture>>) -> Option<Arc<Picture>> {
    loop {
        match std::future::poll_fn(|cx| pictures.poll_next(cx)).await {
            Next::Item { item, .. } => return Some(item),
            Next::Again { .. } => {}
            Next::Ended | Next::Closed => return None,
        }
    }
}

/// The picture, or word that the one who asks has it.
fn unless_known(headers: &HeaderMap, picture: &Picture) -> Response<Body> {
    let jpeg = picture.part().jpeg();
    let mut response = if is_known(headers, picture.tag().as_bytes()) {
        reply::status_only(StatusCode::NOT_MODIFIED)
    } else {
        reply::bytes("image/jpeg", jpeg.clone())
    };
    response.headers_mut().insert(ETAG, picture.tag().clone());
    if let Some(captured) = picture.part().timestamp() {
        let captured = HeaderValue::from_str(&captured).expect("digits and a point");
        response.headers_mut().insert(HeaderName::from_static("x-timestamp"), captured);
    }
    response
}

/// RFC 9110 13.1.2: the lists of all `If-None-Match` fields, compared weakly. None of our tags has a comma in it.
fn is_known(headers: &HeaderMap, tag: &[u8]) -> bool {
    let lists = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|list| list.to_str().ok());
    let mut tags = lists.flat_map(|list| list.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known).as_bytes() == tag)
}

/// How long a snapshot waits for a picture. Chosen: cameras start within seconds; the clients of snapshots (OctoPrint:
/// 5 s) give up about then.
const MAX_WAIT: Duration = Duration::from_secs(4);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_known_wherever_it_stands_in_the_fields() {
        for (fields, known) in [
            (&["\"a\""][..], true),
            (&["W/\"a\""], true),
            (&["*"], true),
            (&["\"b\", \"a\""], true),
            (&["\"b\"", "\"c\",W/\"a\" "], true),
            (&[], false),
            (&["a", "\"A\"", "", "\"aa\"", "\"b\""], false),
        ] {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(IF_NONE_MATCH, HeaderValue::from_static(field));
            }
            assert_eq!(is_known(&headers, b"\"a\""), known, "{fields:?}");
        }
    }
}
