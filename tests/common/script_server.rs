//! A server that plays a script to each connection: real sockets, and nothing happens before the test wants it.

use std::{
    io::{BufRead, BufReader, ErrorKind, Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::pipeline::DEADLINE;

/// What the server does once it has read a request. After the last step it says no more, but holds the connection.
#[derive(Clone, Debug)]
pub enum Step {
    Send(Vec<u8>),
    /// Waits for [`ScriptServer::allow`].
    Wait,
    /// Ends the stream as a server does that has finished.
    Close,
    /// Breaks the connection off, as a server that crashed.
    Reset,
}

pub type Script = Vec<Step>;

/// What a client asked.
#[derive(Clone, Debug)]
pub struct Request {
    pub head: String,
    /// The client had closed the connection before when it made this one.
    pub alone: bool,
}

/// The server. It serves one connection after another and ends with its value.
pub struct ScriptServer {
    address: SocketAddr,
    requests: Receiver<Request>,
    permits: Option<Sender<()>>,
    stopping: Arc<AtomicBool>,
    current: Arc<Mutex<Option<TcpStream>>>,
    thread: Option<JoinHandle<()>>,
}

/// Sends these bytes.
pub fn send(bytes: impl AsRef<[u8]>) -> Step {
    Step::Send(bytes.as_ref().to_vec())
}

/// The head of a stream's answer.
pub fn head() -> Step {
    send("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\nConnection: close\r\n\r\n")
}

/// A picture as most servers send it.
pub fn part(jpeg: &[u8]) -> Step {
    let head = format!("--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n", jpeg.len());
    send([head.as_bytes(), jpeg, b"\r\n"].concat())
}

/// An answer without a body.
pub fn answer(status: &str) -> Script {
    vec![send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")), Step::Close]
}

/// An answer that sends the client elsewhere.
pub fn redirect(target: &str) -> Script {
    answer(&format!("302 Found\r\nLocation: {target}"))
}

/// The bytes as one chunk of a chunked body.
pub fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

impl ScriptServer {
    /// Plays the scripts in order, one to each connection. Connections after the last script are never accepted.
    pub fn play<S>(scripts: S) -> Self
    where
        S: IntoIterator<Item = Script>,
        S::IntoIter: Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port just bound");
        let (request_sender, requests) = mpsc::channel();
        let (permit_sender, permits) = mpsc::channel();
        let player = Player {
            listener,
            requests: request_sender,
            permits,
            stopping: Arc::default(),
            current: Arc::default(),
            earlier: None,
        };
        let (stopping, current) = (player.stopping.clone(), player.current.clone());
        let scripts = scripts.into_iter();
        let thread = thread::spawn(move || player.play(scripts));
        Self { address, requests, permits: Some(permit_sender), stopping, current, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn url(&self) -> String {
        format!("http://{}/stream", self.address)
    }

    /// Lets the next [`Step::Wait`] pass.
    pub fn allow(&self) {
        self.permits.as_ref().expect("only drop takes it").send(()).expect("the server plays");
    }

    /// Waits for the next request.
    #[track_caller]
    pub fn request(&self) -> Request {
        self.requests.recv_timeout(DEADLINE).expect("a request")
    }

    /// Requests that came and were not taken yet.
    pub fn more_requests(&self) -> usize {
        self.requests.try_iter().count()
    }
}

impl Drop for ScriptServer {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.permits = None;
        if let Some(stream) = &*self.current.lock().expect("the player does not panic with it") {
            let _ = stream.shutdown(Shutdown::Both);
        }
        // Wakes the player where it waits for a connection.
        drop(TcpStream::connect(self.address));
        let played = self.thread.take().expect("taken once").join();
        if !thread::panicking() {
            played.expect("the player has not panicked");
        }
    }
}

struct Player {
    listener: TcpListener,
    requests: Sender<Request>,
    permits: Receiver<()>,
    stopping: Arc<AtomicBool>,
    current: Arc<Mutex<Option<TcpStream>>>,
    /// The connection before, if we have not ended it.
    earlier: Option<TcpStream>,
}

impl Player {
    fn play(mut self, scripts: impl Iterator<Item = Script>) {
        for script in scripts {
            let (stream, _) = self.listener.accept().expect("a listener accepts");
            let alone = self.earlier.take().is_none_or(|earlier| is_closed(&earlier));
            self.set_current(stream.try_clone().ok());
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            if let Some(head) = read_head(&stream) {
                let _ = self.requests.send(Request { head, alone });
                self.earlier = self.play_one(stream, script);
            }
            self.set_current(None);
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
        }
        // Nobody is refused, nobody is served, each is counted, and what was said last stays said.
        let mut waiting = vec![self.earlier.take()];
        loop {
            let (stream, _) = self.listener.accept().expect("a listener accepts");
            self.set_current(stream.try_clone().ok());
            if self.stopping.load(Ordering::SeqCst) {
                return;
            }
            if let Some(head) = read_head(&stream) {
                let _ = self.requests.send(Request { head, alone: false });
            }
            waiting.push(Some(stream));
        }
    }

    /// Gives back the connection if it is still there. A client that has gone ends no test: what it should have got,
    /// the test misses elsewhere.
    fn play_one(&self, stream: TcpStream, script: Script) -> Option<TcpStream> {
        for step in script {
            match step {
                Step::Send(bytes) => drop((&stream).write_all(&bytes)),
                Step::Wait if self.permits.recv().is_err() => break,
                Step::Wait => {}
                Step::Close => drop(stream.shutdown(Shutdown::Write)),
                Step::Reset => {
                    let linger = socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO));
                    linger.expect("sockets can linger");
                    return None;
                }
            }
        }
        Some(stream)
    }

    fn set_current(&self, stream: Option<TcpStream>) {
        *self.current.lock().expect("nobody panics with it") = stream;
    }
}

/// The request as far as its blank line; none when the client went away before.
fn read_head(stream: &TcpStream) -> Option<String> {
    let mut head = String::new();
    let mut reader = BufReader::new(stream);
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

/// Whether the peer has closed the connection by now.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("sockets can be made not to block");
    match (&*stream).read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    }
}
