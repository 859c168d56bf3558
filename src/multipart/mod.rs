//! The framing of `multipart/x-mixed-replace` (MJPEG over HTTP), for writing and for reading.
//!
//! Writing: a [`Boundary`] and a [`Layout`] make a [`Writer`]; a [`Part`] is a picture with its head, made once and
//! shared by all viewers. The stream is [`Writer::opening`], [`Writer::part`] for each picture, [`Writer::closing`].
//!
//! Reading: a [`Reader`] takes the bytes of a response body in any pieces and gives [`Event`]s. The structure of the
//! JPEG decides where a picture ends; delimiter, Content-Length and Content-Type are hints, because every one of them
//! is missing or wrong in some camera.
//!
//! Nothing here does input or output, waits, or reads a clock.

mod boundary;
mod delimiter;
mod head;
mod reader;
mod writer;

pub use boundary::{Boundary, BoundaryError};
pub use reader::{Event, Frame, Lengths, Limits, Reader};
pub use writer::{Extra, Layout, Part, Writer};
