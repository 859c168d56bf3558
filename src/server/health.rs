//! `/health`, for load balancers and those who watch over machines.

use std::time::Duration;

use hyper::{Response, StatusCode, Uri};

use super::{query, reply, stream::Body};

/// Whether pictures come: the newest one is `age` old.
pub(super) fn answer(uri: &Uri, age: Option<Duration>) -> Response<Body> {
    let limit = match query::value(uri, "max-age").map(str::parse::<u32>) {
        None => MAX_AGE,
        Some(Ok(seconds)) if seconds > 0 => Duration::from_secs(seconds.into()),
        Some(_) => return reply::text(StatusCode::BAD_REQUEST, "max-age is a whole number of seconds, from 1 on"),
    };
    match age {
        None => reply::unavailable("no picture has come yet"),
        Some(age) if age > limit => {
            let (age, limit) = (age.as_secs_f64(), limit.as_secs());
            reply::unavailable(&format!("the newest picture is {age:.1} s old, which is more than {limit} s"))
        }
        Some(_) => reply::text(StatusCode::OK, "pictures come"),
    }
}

/// Age from which on the newest picture is too old, where the request names none. Chosen: cameras that send a picture a
/// second stumble for two or three; the page at `/` says "no new picture" from the same age on.
const MAX_AGE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn code(uri: &'static str, age_ms: Option<u64>) -> u16 {
        answer(&Uri::from_static(uri), age_ms.map(Duration::from_millis)).status().as_u16()
    }

    #[test]
    fn pictures_have_to_be_younger_than_the_limit() {
        assert_eq!(code("/health", None), 503);
        assert_eq!(code("/health", Some(0)), 200);
        assert_eq!(code("/health", Some(5000)), 200);
        assert_eq!(code("/health", Some(5001)), 503);
    }

    #[test]
    fn the_limit_may_be_another() {
        assert_eq!(code("/health?max-age=60", Some(60_000)), 200);
        assert_eq!(code("/health?max-age=60", Some(60_001)), 503);
        assert_eq!(code("/health?max-age=1", Some(1001)), 503);
        for wrong in ["/health?max-age=0", "/health?max-age=-1", "/health?max-age=", "/health?max-age=99999999999"] {
            assert_eq!(code(wrong, Some(0)), 400, "{wrong}");
        }
    }
}
