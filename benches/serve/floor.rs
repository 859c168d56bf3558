//! The cheapest server there is: one thread, one send of shared memory per viewer and picture. It reads no request, and
//! a viewer that has not taken the last picture whole skips the next.

use std::{
    io::{ErrorKind, Write},
    rc::Rc,
    time::{Duration, Instant},
};

use anyhow::Result;
use mio::{
    Events, Interest, Poll, Token,
    net::{TcpListener, TcpStream},
};
use slab::Slab;
use socket2::SockRef;

use super::{PERIOD, stamp};

struct Viewer {
    stream: TcpStream,
    /// What is under way, and how much of it has gone.
    part: Rc<[u8]>,
    sent: usize,
}

const LISTENER: Token = Token(usize::MAX);

/// Says its port and serves until the process ends.
pub fn serve(jpeg: &[u8]) -> Result<()> {
    let mut poll = Poll::new()?;
    let mut events = Events::with_capacity(1024);
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    SockRef::from(&listener).listen(4096)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("{}", listener.local_addr()?.port());
    let mut viewers = Slab::new();
    let mut due = Instant::now();
    for number in 0.. {
        due += PERIOD;
        while let left = due.saturating_duration_since(Instant::now())
            && left > Duration::ZERO
        {
            poll.poll(&mut events, Some(left))?;
            for event in &events {
                if event.token() == LISTENER {
                    accept(&listener, &poll, &mut viewers)?;
                } else if viewers.get_mut(event.token().0).is_some_and(|viewer| viewer.push().is_err()) {
                    viewers.remove(event.token().0);
                }
            }
        }
        let jpeg = stamp::stamped(jpeg, number);
        let head = format!("Content-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
        let part: Rc<[u8]> = [head.as_bytes(), &jpeg, b"\r\n--frame\r\n"].concat().into();
        viewers.retain(|_, viewer| viewer.offer(&part).is_ok());
    }
    Ok(())
}

fn accept(listener: &TcpListener, poll: &Poll, viewers: &mut Slab<Viewer>) -> Result<()> {
    while let Ok((mut stream, _)) = listener.accept() {
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(16 * 1024)?;
        let entry = viewers.vacant_entry();
        poll.registry().register(&mut stream, Token(entry.key()), Interest::WRITABLE)?;
        let opening: &[u8] = b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n\
            --frame\r\n";
        let mut viewer = Viewer { stream, part: opening.into(), sent: 0 };
        if viewer.push().is_ok() {
            entry.insert(viewer);
        }
    }
    Ok(())
}

impl Viewer {
    fn offer(&mut self, part: &Rc<[u8]>) -> Result<()> {
        if self.sent < self.part.len() {
            return Ok(());
        }
        (self.part, self.sent) = (part.clone(), 0);
        self.push()
    }

    fn push(&mut self) -> Result<()> {
        while self.sent < self.part.len() {
            match self.stream.write(&self.part[self.sent..]) {
                Ok(sent) => self.sent += sent,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }
}
