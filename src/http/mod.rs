//! HTTP as cameras speak it, which is not quite HTTP.
//!
//! [`HeadReader`] reads a response head that well-kept HTTP libraries refuse (nameless lines, `ICY`, line feeds alone,
//! lengths of -1, no blank line at its end), [`MediaType`] a Content-Type with its parameters, [`parse_date`] a date.
//! [`Chunked`] takes the chunks apart, also where the response calls itself HTTP/1.0.
//!
//! Nothing here does input or output, waits, or reads a clock.

mod chunked;
mod date;
mod media_type;
mod response;

pub use chunked::{Chunked, ChunkedError};
pub use date::parse_date;
pub use media_type::MediaType;
pub use response::{HeadError, HeadReader, ResponseHead};
