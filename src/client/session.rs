//! One try: ask, then read until the stream is lost.

use super::{
    ClientError, EndOfStream, Options, Receiver,
    ask::{Answer, Memory, ask},
    body::{Body, Single},
};

/// How a try went.
#[derive(Debug)]
pub(super) struct Ended {
    /// Why it ended.
    pub(super) why: ClientError,
    /// A stream was answered.
    pub(super) answered: bool,
    /// Pictures that came out.
    pub(super) frames: u64,
    /// What the whole answer was, if it was one picture.
    pub(super) single: Option<Single>,
}

/// Reads the stream until it is lost.
pub(super) fn run<R: Receiver>(
    options: &Options,
    memory: &mut Memory,
    cancellable: &gio::Cancellable,
    receiver: &R,
) -> Ended {
    let answer = match ask(options, memory, cancellable) {
        Ok(answer) => answer,
        Err(why) => {
            memory.failed();
            return Ended { why, answered: false, frames: 0, single: None };
        }
    };
    let Answer { location, connection, head, body: first } = answer;
    if memory.polled.is_none() {
        receiver.connected(&connection.peer());
    }
    let mut body = Body::new(options, &head, memory.polled, receiver);
    let mut why = body.receive(&first, &connection, options);
    let (is_exact, is_clean, is_page) = (body.is_exact(), body.is_clean(), body.is_page());
    let (searched, mut pictures) = body.into_parts();
    if why == ClientError::Cancelled {
        // Nobody waits for what is left, and looking at the rest of a large picture takes time.
        return Ended { why, answered: true, frames: pictures.frames, single: None };
    }
    pictures.finish();
    let is_finite = options.end == EndOfStream::Finish;
    let single = match pictures.frames {
        _ if why != ClientError::Closed || pictures.reader.delimiter().is_some() => None,
        1 if is_exact => Some(Single::Exact),
        1 => Some(Single::Whole),
        // The second one in a row is a loss that people should hear of.
        0 if pictures.damaged && !pictures.too_large && memory.polled.is_some_and(|last| last != Single::Damaged) => {
            Some(Single::Damaged)
        }
        _ => None,
    };
    why = match pictures.reason(why, searched, &head, options.limits.max_frame) {
        // Servers that do without Content-Type.
        ClientError::NoPicture { .. } if is_page => {
            ClientError::NotPictures { url: location.to_string(), essence: "a page".to_owned() }
        }
        // The connection may be open still.
        ClientError::Closed if memory.polled.is_some() && is_exact && pictures.frames == 0 && !is_finite => {
            ClientError::NoPicture { searched }
        }
        why => why,
    };
    if single.is_some() && is_clean && head.keeps_connection() {
        memory.kept = Some((location, connection));
    }
    Ended { why, answered: true, frames: pictures.frames, single }
}
