//! Peers that never let a connection be made, and never refuse one.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    thread,
    time::Duration,
};

use socket2::{Domain, Socket, Type};

/// The address of a peer that answers what it is told with `opening`, and then says one more byte now and then, to each
/// connection until that is closed. It ends with the process.
pub fn dripping(opening: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("the port just bound");
    thread::spawn(move || {
        for client in listener.incoming() {
            let mut client = client.expect("a listener accepts");
            thread::spawn(move || -> std::io::Result<()> {
                let _ = client.read(&mut [0; 4096])?;
                client.write_all(opening)?;
                loop {
                    // Nothing waits for this: it is how slow the peer is.
                    thread::sleep(Duration::from_millis(20));
                    client.write_all(b"x")?;
                }
            });
        }
    });
    address
}

/// An address that swallows what asks for a connection: its queue of one is full, nobody accepts, and Linux then
/// ignores whoever comes.
pub fn black_hole(address: &str) -> (Vec<Socket>, SocketAddr) {
    let tcp = || Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let listener = tcp();
    listener.bind(&address.parse::<SocketAddr>().expect("an address").into()).expect("a free port");
    listener.listen(0).expect("it listens");
    let address = listener.local_addr().expect("the port just bound");
    let mut sockets = vec![listener];
    for _ in 0..4 {
        let socket = tcp();
        socket.set_nonblocking(true).expect("sockets can be made not to block");
        // In progress for ever, but for the first.
        drop(socket.connect(&address));
        sockets.push(socket);
    }
    (sockets, address.as_socket().expect("an IPv4 address"))
}
