//! What several test programs share.
#![allow(dead_code, reason = "each test program uses a part of it")]

pub mod certificate;
pub mod folder;
pub mod http;
pub mod http2;
pub mod jpeg;
pub mod launch;
pub mod namespace;
pub mod outcome;
pub mod pictures;
pub mod pipe;
pub mod pipeline;
pub mod plugin;
pub mod process;
pub mod program;
pub mod properties;
pub mod rows;
pub mod script_server;
pub mod secure;
pub mod source;
pub mod streams;
pub mod stubborn;
pub mod tls;
pub mod v4l2;
