//! `/health`, for load balancers and those who watch over machines.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use hyper::{Response, StatusCode, Uri};

use super::{Camera, Mount, query, reply, stream::Body};

/// Who asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// One who may see everything.
    Viewer,
    /// One who does not know the password, and learns no camera's name and no figure.
    Stranger,
}

/// Whether pictures come from all these cameras.
pub(super) fn answer(uri: &Uri, cameras: &[(Mount, Arc<Camera>)], asker: Asker) -> Response<Body> {
    let limit = match query::value(uri, "max-age").map(|age| age.parse::<u32>()) {
        None => MAX_AGE,
        Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds.into()),
        Some(_) => return reply::text(StatusCode::BAD_REQUEST, "max-age is a whole number of seconds, from 1 on"),
    };
    let faults = cameras.iter().filter_map(|(mount, camera)| {
        let fault = fault(camera.figures(Instant::now()).age, limit)?;
        Some(if mount.is_root() { fault } else { format!("{}: {fault}", mount.name()) })
    });
    let mut faults: Vec<_> = faults.collect();
    if cameras.is_empty() {
        faults.push("there is no camera any more".to_owned());
    }
    if faults.is_empty() {
        return reply::text(StatusCode::OK, "pictures come");
    }
    match asker {
        Asker::Viewer => reply::unavailable(&faults.join("; ")),
        Asker::Stranger => reply::unavailable("pictures do not come from all cameras"),
    }
}

/// What is wrong where the newest picture is so old.
fn fault(age: Option<Duration>, limit: Duration) -> Option<String> {
    match age {
        None => Some("no picture has come yet".to_owned()),
        Some(age) if age > limit => {
            let (age, limit) = (age.as_secs_f64(), limit.as_secs());
            Some(format!("the newest picture is {age:.1} s old, which is more than {limit} s"))
        }
        Some(_) => None,
    }
}

/// Age from which on the newest picture is too old, where the request names none. Chosen: cameras that send a picture a
/// second stumble for two or three; the page at `/` says "no new picture" from the same age on.
const MAX_AGE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_have_to_be_younger_than_the_limit() {
        let is_at_fault = |age_ms| fault(Some(Duration::from_millis(age_ms)), MAX_AGE).is_some();
        assert!(fault(None, MAX_AGE).is_some());
        assert_eq!([0, 5000, 5001].map(is_at_fault), [false, false, true]);
    }

    #[test]
    fn a_wrong_limit_is_refused() {
        for wrong in ["/health?max-age=0", "/health?max-age=-1", "/health?max-age=", "/health?max-age=99999999999"] {
            let answer = answer(&Uri::from_static(wrong), &[], Asker::Viewer);
            assert_eq!(answer.status(), StatusCode::BAD_REQUEST, "{wrong}");
        }
    }

    /// A connection outlives the last camera of its server by a moment.
    #[test]
    fn without_a_camera_no_pictures_come() {
        for asker in [Asker::Viewer, Asker::Stranger] {
            let answer = answer(&Uri::from_static("/health?max-age=60"), &[], asker);
            assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        }
    }
}
