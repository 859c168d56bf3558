//! HTTPS: certificates, what they are read from, and viewers that trust them.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::Command,
    sync::{Arc, mpsc::channel},
    thread,
};

use common::{
    certificate::Certificate,
    http::{Viewer, connect, get},
    pipeline::{Camera, DEADLINE, numbered, padded, pictures, wait_until},
    tls::{TlsStream, bridge, config, shake_hands, shake_hands_over, shown},
};
use gst::prelude::*;
use socket2::{Domain, Socket, Type};
use tokio_rustls::rustls::ClientConfig;

mod common;

#[test]
fn a_stream_over_tls_is_the_stream() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let address = bridge(camera.address(), config(&certificate, &["http/1.1"]));
    let mut standard = Viewer::open(address);
    let mut advance = Viewer::open_as(connect(address), "/stream?layout=advance", "");
    assert_eq!(standard.head.status, "HTTP/1.0 200 OK");
    for n in 0..5 {
        let picture = numbered(&pictures()[0], n);
        camera.push(&picture);
        assert!(standard.picture() == picture);
        advance.expect_ahead(&picture);
    }
    assert!(get(address, "/snapshot").body == numbered(&pictures()[0], 4));
    camera.end();
    standard.expect_end();
    advance.expect_ahead(&numbered(&pictures()[0], 4));
}

#[test]
fn keys_come_in_each_form_that_openssl_writes() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let whole = certificate.path("whole.pem");
    fs::write(&whole, [fs::read(certificate.key()), fs::read(certificate.file())].map(Result::unwrap).concat())
        .expect("a file");
    assert_serves(&certificate, &format!("tls-certificate-file={whole}"));
    let sec1 = certificate.path("sec1.pem");
    openssl(&["ec", "-in", &certificate.key(), "-out", &sec1]);
    assert!(fs::read_to_string(&sec1).expect("a file").contains("BEGIN EC PRIVATE KEY"));
    assert_serves(&certificate, &with(&certificate.file(), &sec1));

    // As editors on Windows write them.
    let marked = [certificate.file(), certificate.key()].map(|file| {
        let marked = format!("{file}.bom");
        fs::write(&marked, [&b"\xef\xbb\xbf"[..], &fs::read(file).expect("a file")].concat()).expect("a file");
        marked
    });
    assert_serves(&certificate, &with(&marked[0], &marked[1]));

    let rsa = Certificate::new("IP:127.0.0.1", 1);
    let pkcs8 = rsa.key();
    openssl(
        &["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=camera", "-addext"]
            .map(str::to_owned)
            .into_iter()
            .chain(["subjectAltName=IP:127.0.0.1", "-keyout", &pkcs8, "-out", &rsa.file()].map(str::to_owned))
            .collect::<Vec<_>>()
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
    );
    assert_serves(&rsa, &with(&rsa.file(), &pkcs8));
    let pkcs1 = rsa.path("pkcs1.pem");
    openssl(&["rsa", "-traditional", "-in", &pkcs8, "-out", &pkcs1]);
    assert!(fs::read_to_string(&pkcs1).expect("a file").contains("BEGIN RSA PRIVATE KEY"));
    assert_serves(&rsa, &with(&rsa.file(), &pkcs1));
}

#[test]
fn files_that_cannot_be_used_are_named_with_the_cure() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let (file, key) = (certificate.file(), certificate.key());
    let encrypted = certificate.path("encrypted.pem");
    openssl(&["pkey", "-in", &key, "-aes256", "-passout", "pass:secret", "-out", &encrypted]);
    let damaged = certificate.path("damaged.pem");
    fs::write(&damaged, "-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n").expect("a file");
    let cut = certificate.path("cut.pem");
    fs::write(&cut, "-----BEGIN CERTIFICATE-----\nMIIB\n").expect("a file");
    let other = Certificate::new("IP:127.0.0.1", 1);
    let kinds = ["EC:secp521r1", "EC:secp256k1", "ED448:", "RSA:1024"].map(|kind| {
        let (algorithm, detail) = kind.split_once(':').expect("both");
        let made = certificate.path(&format!("{algorithm}{detail}.pem"));
        let option = if algorithm == "RSA" { "rsa_keygen_bits:" } else { "ec_paramgen_curve:" };
        let detail = (!detail.is_empty()).then(|| format!("{option}{detail}"));
        let options = detail.iter().flat_map(|detail| ["-pkeyopt", detail]).collect::<Vec<_>>();
        openssl(&[&["genpkey", "-algorithm", algorithm, "-out", &made], &options[..]].concat());
        (with(&file, &made), vec!["of a kind that cannot be used", "P-256", "2048"])
    });
    for (properties, words) in [
        (with("/no/such/file.pem", &key), vec!["cannot read /no/such/file.pem", "check tls-certificate-file"]),
        (with(&key, &key), vec![&key, "has no certificate"]),
        (format!("tls-certificate-file={file}"), vec![&file, "has no private key", "tls-private-key-file"]),
        (with(&file, &encrypted), vec![&encrypted, "is encrypted", "openssl pkey"]),
        (with(&damaged, &key), vec![&damaged, "is damaged"]),
        (with(&cut, &key), vec![&cut, "is damaged: the line -----END CERTIFICATE----- is missing"]),
        (with(&file, &other.key()), vec!["is not that of the certificate in", &file]),
        (format!("tls-private-key-file={key}"), vec!["tls-certificate-file is not"]),
    ]
    .into_iter()
    .chain(kinds)
    {
        let camera = Camera::new("is-live=true", &properties);
        assert!(camera.pipeline.set_state(gst::State::Playing).is_err(), "there is nothing to serve with");
        let text = error(&camera);
        assert!(words.iter().all(|word| text.contains(word)), "{text} says not all of {words:?}");
    }
}

#[test]
fn a_renewed_certificate_is_shown_without_a_restart() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let before = config(&certificate, &["http/1.1"]);
    let mut viewer = Viewer::open(bridge(camera.address(), before.clone()));
    let first = shown(&shake_hands(camera.address(), &before).expect("a handshake"));

    let renewed = Certificate::new("IP:127.0.0.1", 1);
    fs::copy(renewed.file(), certificate.file()).expect("a copy");
    fs::copy(renewed.key(), certificate.key()).expect("a copy");
    let after = config(&renewed, &["http/1.1"]);
    wait_until("the new certificate", || {
        shake_hands(camera.address(), &after).is_ok_and(|stream| shown(&stream) != first)
    });
    // Nobody is asked to come again.
    camera.push(&pictures()[0]);
    assert!(viewer.picture() == pictures()[0]);
}

#[test]
fn a_certificate_that_is_damaged_later_leaves_the_old_one_and_a_warning() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let trusted = config(&certificate, &["http/1.1"]);
    let (file, whole) = (certificate.file(), fs::read(certificate.file()).expect("a certificate"));
    fs::write(&file, "nothing of use").expect("a file");
    let warning = camera.message(gst::MessageType::Warning);
    let gst::MessageView::Warning(warning) = warning.view() else { panic!("{warning:?}") };
    let text = warning.error().to_string();
    assert!(text.contains(&file) && text.contains("has no certificate"), "{text}");
    shake_hands(camera.address(), &trusted).expect("the old certificate");
    // The cure is taken, and was never wrong: no further warning comes.
    fs::write(&file, whole).expect("a file");
    shake_hands(camera.address(), &trusted).expect("the same certificate");
}

/// A key that the server may not read is refused once, and chmod or chown, the cure, writes nothing.
#[test]
fn a_file_is_read_again_when_all_but_its_time_of_writing_has_changed() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let renewed = Certificate::new("IP:127.0.0.1", 1);
    let whole = fs::read(renewed.file()).expect("a certificate");
    fs::copy(renewed.key(), certificate.key()).expect("a copy");
    fs::write(certificate.file(), vec![b'x'; whole.len()]).expect("a file");
    let written = fs::metadata(certificate.file()).and_then(|about| about.modified()).expect("a time");
    camera.message(gst::MessageType::Warning);

    fs::write(certificate.file(), whole).expect("a file");
    let file = fs::File::options().append(true).open(certificate.file()).expect("a file");
    file.set_modified(written).expect("a file of ours");
    let after = config(&renewed, &["http/1.1"]);
    wait_until("the new certificate", || shake_hands(camera.address(), &after).is_ok());
}

#[test]
fn who_speaks_plain_http_is_told_so() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let answer = get(camera.address(), "/");
    assert_eq!(answer.head.code(), 400);
    assert_eq!(answer.head.field("Content-Length"), Some(answer.body.len().to_string().as_str()));
    assert!(String::from_utf8_lossy(&answer.body).contains("https://"), "{answer:?}");
}

#[test]
fn half_a_handshake_holds_up_nobody_and_nothing() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let half: Vec<_> = (0..50)
        .map(|n| {
            let mut stream = connect(camera.address());
            stream.write_all(&[22, 3, 1, 2, 0][..n % 6]).expect("the bytes are taken");
            stream
        })
        .collect();
    let mut viewer = Viewer::open(bridge(camera.address(), config(&certificate, &["http/1.1"])));
    camera.push(&pictures()[0]);
    assert!(viewer.picture() == pictures()[0]);
    let start = std::time::Instant::now();
    camera.set_state(gst::State::Null);
    assert!(start.elapsed() < std::time::Duration::from_secs(3), "{:?}", start.elapsed());
    for mut stream in half {
        // Closed, whether with an answer or without.
        let _ = stream.read_to_end(&mut Vec::new());
    }
}

#[test]
fn curl_is_served_by_each_version() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    camera.push(&pictures()[0]);
    camera.wait_for_pictures(1);
    for (options, version) in [
        (vec!["--http1.1", "--tls-max", "1.2"], "1.1"),
        (vec!["--http1.1"], "1.1"),
        (vec!["--http1.0"], "1"),
        (vec!["--no-alpn"], "1.1"),
        (vec!["--http2"], "2"),
    ] {
        let url = format!("https://{}/snapshot", camera.address());
        let output = Command::new("curl")
            .args(["--silent", "--show-error", "--cacert", &certificate.file(), "--output", "/dev/null"])
            .args(["--write-out", "%{http_version} %{http_code} %{size_download}"])
            .args(&options)
            .arg(&url)
            .output()
            .expect("curl is installed");
        let said = format!("{version} 200 {}", pictures()[0].len());
        assert_eq!(String::from_utf8_lossy(&output.stdout), said, "{options:?}: {output:?}");
    }
}

/// All servers of a process once waited for one whose files did not come.
#[test]
fn a_disk_that_is_slow_holds_up_its_own_sink_only() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let slow = certificate.path("slow.pem");
    let made = Command::new("mkfifo").arg(&slow).status().expect("coreutils are there");
    assert!(made.success());
    let waiting = Camera::new("is-live=true", &with(&slow, &certificate.key()));
    let pipeline = waiting.pipeline.clone();
    let (sender, played) = channel();
    let starting = thread::spawn(move || {
        let _ = sender.send(pipeline.set_state(gst::State::Playing));
    });
    // Opening it waits until it is being read.
    let mut file = fs::OpenOptions::new().write(true).open(&slow).expect("it is being read");
    let (sender, other) = channel();
    thread::spawn(move || {
        let _ = sender.send(Camera::live().viewers());
    });
    assert_eq!(other.recv_timeout(DEADLINE), Ok(0), "another sink starts, and stops");
    assert!(played.try_recv().is_err());
    let text = fs::read(certificate.file()).expect("a certificate");
    file.write_all(&text).expect("it is read");
    drop(file);
    starting.join().expect("it does not panic");
    assert!(shake_hands(waiting.address(), &config(&certificate, &["http/1.1"])).is_ok());
}

#[test]
fn sinks_that_share_a_port_share_a_certificate() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let plain = Camera::new("is-live=true", &format!("mount=/other port={}", camera.port()));
    assert!(plain.pipeline.set_state(gst::State::Playing).is_err(), "the port speaks TLS");
    let text = error(&plain);
    assert!(text.contains("tls-certificate-file"), "{text}");
}

/// Its pictures fit into what waits to be encrypted, so no write ever waits, only the flush.
#[test]
fn a_viewer_that_takes_nothing_is_dropped() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let properties = format!("timeout=500000000 {}", with(&certificate.file(), &certificate.key()));
    let camera = Camera::new("is-live=true do-timestamp=true", &properties).play();
    let mut viewer = shake_hands(camera.address(), &config(&certificate, &["http/1.1"])).expect("a handshake");
    viewer.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is taken");
    camera.wait_for_viewers(1);
    wait_until("the viewer to be dropped", || {
        camera.push(&pictures()[0]);
        camera.viewers() == 0
    });
}

/// TLS holds up to 64 kB back by itself, so what it has taken says nothing of the peer: the kernel has to be asked. A
/// viewer with a steady 30 kB/s was taken for one that stands still, and had to give up its place.
#[test]
fn a_viewer_that_takes_a_part_of_a_picture_stands_still_no_more() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    let mut viewer = narrow(camera.address(), 4096, &config(&certificate, &["http/1.1"]));
    viewer.write_all(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n").expect("the request is taken");
    camera.wait_for_viewers(1);
    let stalled_for = || {
        let clients = camera.sink.property::<gst::Array>("client-stats");
        let client: gst::Structure = clients[0].get().expect("a viewer");
        client.get::<gst::ClockTime>("stalled-for").expect("a time")
    };
    camera.push(&padded(120_000));
    for part in [60_000, 24_000] {
        wait_until("the viewer to stand still", || stalled_for() > gst::ClockTime::from_mseconds(300));
        viewer.read_exact(&mut vec![0; part]).expect("a part of the picture");
        wait_until("the viewer to be seen reading", || stalled_for() < gst::ClockTime::from_mseconds(300));
    }
}

/// Its farewell waits for room like all else; nobody noted that, and the connection stayed for ever.
#[test]
fn a_peer_that_does_not_take_the_end_of_an_answer_is_dropped() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let limits = format!("timeout=500000000 max-clients-per-address={PEERS}");
    let properties = format!("{limits} {}", with(&certificate.file(), &certificate.key()));
    let camera = Camera::new("is-live=true do-timestamp=true", &properties).play();
    camera.push(&padded(40_000));
    camera.wait_for_pictures(1);
    let trust = config(&certificate, &["http/1.1"]);
    let address = camera.address();
    // Whether the picture waits or the farewell hangs on the sizes, so many are tried.
    let peers: Vec<_> = (0..PEERS)
        .map(|n| {
            let mut peer = narrow(address, 2048 + 250 * n, &trust);
            let request = b"GET /snapshot HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
            peer.write_all(request).expect("the request is taken");
            peer
        })
        .collect();
    wait_until("all places to be free", || {
        let others: Vec<_> = (0..PEERS).map_while(|_| shake_hands(address, &trust).ok()).collect();
        others.len() == PEERS
    });
    drop(peers);
}

const PEERS: usize = 100;

/// A connection whose peer takes few bytes by itself.
#[track_caller]
fn narrow(address: SocketAddr, receive_buffer: usize, trust: &Arc<ClientConfig>) -> TlsStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    // Before it connects, as the window that it offers hangs on it.
    socket.set_recv_buffer_size(receive_buffer).expect("a buffer size");
    socket.connect(&address.into()).expect("somebody listens");
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE)).expect("a socket option");
    shake_hands_over(stream, trust).expect("a handshake")
}

#[test]
fn our_own_client_reads_it() {
    let certificate = Certificate::new("IP:127.0.0.1", 1);
    let camera = serve(&certificate);
    camera.push(&pictures()[0]);
    let line = format!(
        "mjpegclientsrc location=https://{}/stream ssl-ca-file={} ! appsink name=sink sync=false",
        camera.address(),
        certificate.file()
    );
    let client = gst::parse::launch(&line).expect("elements exist").downcast::<gst::Pipeline>().expect("a pipeline");
    let sink = client.by_name("sink").and_downcast::<gst_app::AppSink>().expect("the sink is there");
    client.set_state(gst::State::Playing).expect("the client plays");
    let sample = sink.pull_sample().expect("a picture");
    assert!(*sample.buffer().expect("a buffer").map_readable().expect("readable memory") == pictures()[0]);
    client.set_state(gst::State::Null).expect("the client stops");
}

#[track_caller]
fn serve(certificate: &Certificate) -> Camera {
    Camera::new("is-live=true do-timestamp=true", &with(&certificate.file(), &certificate.key())).play()
}

fn with(certificate: &str, key: &str) -> String {
    format!("tls-certificate-file={certificate} tls-private-key-file={key}")
}

#[track_caller]
fn assert_serves(certificate: &Certificate, properties: &str) {
    let camera = Camera::new("is-live=true do-timestamp=true", properties).play();
    shake_hands(camera.address(), &config(certificate, &["http/1.1"])).expect("a handshake");
}

/// The text of the error that a pipeline has posted.
#[track_caller]
fn error(camera: &Camera) -> String {
    let bus = camera.pipeline.bus().expect("a pipeline has a bus");
    let message = bus.pop_filtered(&[gst::MessageType::Error]).expect("an error");
    let gst::MessageView::Error(error) = message.view() else { unreachable!("errors were asked for") };
    error.error().to_string()
}

#[track_caller]
fn openssl(arguments: &[&str]) {
    let made = Command::new("openssl").args(arguments).output().expect("openssl is installed");
    assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
}
