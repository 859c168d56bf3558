//! What a viewer asks for in the stream's address.

use hyper::{
    HeaderMap, Uri,
    header::{ACCEPT, USER_AGENT},
};

use super::{query, stream::MIN_FPS};
use crate::multipart::Layout;

/// How a viewer wants the stream.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wishes {
    pub(super) layout: Layout,
    /// Most pictures per second.
    pub(super) fps: Option<f64>,
    /// More fields in each part's head.
    pub(super) extra: bool,
    /// The number by which a page asks for this viewer (`/status?mark=`).
    pub(super) mark: Option<u64>,
}

impl Wishes {
    /// Reads them; what they do not say, the viewer's program decides. The error is a line for people.
    pub(super) fn read(uri: &Uri, headers: &HeaderMap) -> Result<Self, &'static str> {
        let layout = match query::value(uri, "layout").map(|layout| layout.parse::<Layout>()) {
            Some(Err(())) => return Err("layout is one of: standard, advance"),
            Some(Ok(layout)) => Some(layout),
            None => None,
        };
        let fps = match query::value(uri, "fps").map(|fps| fps.parse::<f64>()) {
            Some(Ok(fps)) if fps >= MIN_FPS && fps.is_finite() => Some(fps),
            Some(_) => return Err("fps is a number of pictures per second, from 0.01 on"),
            None => None,
        };
        let extra = match query::value(uri, "extra-headers").as_deref() {
            None | Some("0") => false,
            Some("1") => true,
            Some(_) => return Err("extra-headers is one of: 0, 1"),
        };
        let mark = query::value(uri, "mark").map(|mark| mark.parse::<u64>()).transpose();
        let mark = mark.map_err(|_| "mark is a whole number below 2^64")?;
        let layout = match layout {
            // A head that goes ahead cannot know the picture that follows it.
            Some(Layout::Advance) if extra => return Err("extra-headers=1 goes with layout=standard only"),
            None if extra => Layout::Standard,
            Some(asked) => asked,
            None => {
                let field = |name| headers.get(name).and_then(|value| value.to_str().ok());
                Layout::for_program(field(USER_AGENT).unwrap_or_default(), field(ACCEPT))
            }
        };
        Ok(Self { layout, fps, extra, mark })
    }
}
