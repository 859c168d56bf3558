//! The framings seen in the field (docs: wire facts), one row each.

use super::streams::Row;

/// Servers and cameras by name.
pub const PRODUCERS: &[Row] = &[
    Row::new(
        "mjpg-streamer",
        b"Content-Type: image/jpeg\r\nContent-Length: {len}\r\nX-Timestamp: 1700000000.000042\r\n\r\n",
        b"\r\n--boundarydonotcross \r\n",
    )
    .opening(b"--boundarydonotcross\r\n"),
    Row::new(
        "mjpg-streamer for WebcamXP",
        b"mjpeg 000000{i}12345\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
        b"",
    ),
    Row::new(
        "ustreamer",
        b"Content-Type: image/jpeg\r\nContent-Length: {len}\r\nX-Timestamp: 12.5\r\nX-UStreamer-Online: true\r\n\r\n",
        b"\r\n--boundarydonotcross\r\n",
    )
    .opening(b"--boundarydonotcross\r\n"),
    Row::new(
        "ustreamer with heads ahead",
        b"",
        b"\r\n--boundarydonotcross\r\nContent-Type: image/jpeg\r\nX-Timestamp: 1.5\r\n\r\n",
    )
    .opening(b"--boundarydonotcross\r\nContent-Type: image/jpeg\r\nX-Timestamp: 0.5\r\n\r\n"),
    Row::new(
        "ustreamer with empty parts",
        b"Content-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n\r\n--boundarydonotcross\r\n\
          Content-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n",
        b"\r\n--boundarydonotcross\r\n",
    )
    .opening(b"--boundarydonotcross\r\n"),
    Row::new("go2rtc", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("motion", b"--BoundaryString\r\nContent-type: image/jpeg\r\nContent-Length: {len:9}\r\n\r\n", b"\r\n"),
    Row::new(
        "motion 4.1.1",
        b"Content-type: image/jpeg\r\nContent-Length: {len:9}\r\n\r\n",
        b"\r\n--BoundaryString\r\n",
    ),
    Row::new(
        "ESP32",
        b"\r\n--123456789000000000000987654321\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\
          X-Timestamp: 5.000123\r\n\r\n",
        b"",
    ),
    Row::new(
        "older ESP32",
        b"Content-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n",
        b"\r\n--123456789000000000000987654321\r\n",
    ),
    Row::new("Flask", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n"),
    Row::new("picamera2", b"--FRAME\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("viseron", b"--jpgboundaryContent-type: image/jpeg\r\nContent-length: {len}\r\n\r\n", b""),
    Row::new("ffmpeg", b"Content-type: image/jpeg\r\nContent-length: {len}\r\n\r\n", b"\r\n--ffmpeg\r\n")
        .opening(b"--ffmpeg\r\n"),
    Row::new("early ffmpeg", b"--ffserver\nContent-type: image/jpeg\n\n", b"\n"),
    Row::new(
        "VLC",
        b"\r\n--7b3cc56e5f51db803f790dad720ed50a\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n",
        b"",
    ),
    Row::new(
        "multipartmux",
        b"--ThisRandomString\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n",
        b"\r\n",
    ),
    Row::new(
        "Home Assistant",
        b"--frameboundary\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n",
        b"\r\n",
    ),
    Row::new("Axis", b"--myboundary\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("Panasonic", b"--myboundary\r\nContent-type: image/jpeg\r\nContent-length:  {len}\r\n\r\n", b"\r\n"),
    Row::new("Mobotix", b"--MOBOTIX_Fast_Serverpush\r\nContent-type: image/jpeg\r\n\r\n", b"\r\n"),
    Row::new(
        "Foscam G2",
        b"--ThisString\r\n--ThisString\r\nContent-type:image/jpeg\r\nContent-Length:{len}\r\n\r\n",
        b"\r\n",
    ),
    Row::new(
        "D-Link",
        b"Content-type: image/jpeg\r\nContent-length: {len+50}\r\nDate: 01-01-2011 03:30:45 AM \
          IO_00000000_PT_003_000\r\nX-Status: 0\r\nX-Tags: 1\r\nX-Flags: 0\r\n\r\n",
        b"\r\n--video boundary--\r\n",
    )
    .first_waits(),
    Row::new(
        "TrendNet",
        b"Content-Type: image/jpeg;size=1280x720\r\nContent-Length: {len}\r\n\r\n",
        b"\r\n--video boundary--\r\n",
    ),
    Row::new(
        "Kasa",
        b"--data-boundary--\r\nContent-Type: audio/g711u\r\nX-UtcTime:169\r\nContent-Length: 8\r\n\r\n\
          \0\n\r\n--\n\x7f\r\n--data-boundary--\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\
          X-FrameType: I\r\n\r\n",
        b"\r\n",
    )
    .foreign(0, 1),
    Row::new(
        "Kasa with video and no lengths",
        b"--data-boundary--\r\nContent-Type: video/x-h264\r\n\r\n\0\0\0\x01g\xff\xfe\x80\r\n--data-boundary--\r\n\
          Content-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    )
    .foreign(0, 1),
    Row::new("GoAhead", b"--ipcamera\r\nContent-Type:image/jpeg\r\nContent-Length:{len}\r\n\r\n", b"\r\n"),
    Row::new(
        "ITV",
        b"--itv\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\nX-Width: 64\r\nX-Height: 48\r\n\
          X-Time: 20240101T000000.000\r\nX-Timestamp: 0.152\r\n\r\n",
        b"\r\n",
    )
    .opening(b"--itv\r\nContent-Type: text/xml\r\nContent-Length: 21\r\n\r\n<live>\r\n--a\r\n</live>\r\n")
    .closing(b"--itv--\r\n")
    .foreign(1, 0),
    Row::new("Elegoo", b"--foo\r\nContent-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n", b"\r\n"),
    Row::new("simulator", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n").opening(
        b"HTTP/1.1 200 OK\r\nServer: simulator\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\
          Content-Length: 9999999\r\n\r\n",
    ),
    Row::new("LabVIEW", b"--myboundary\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("node server", b"--node\nContent-Type: image/jpg\nContent-length: ${buffer.len}\n\n", b"\n"),
];

/// Quirks, each alone.
pub const QUIRKS: &[Row] = &[
    Row::new("first delimiter missing", b"Content-Type: image/jpeg\r\n\r\n", b"\r\n--frame\r\n"),
    Row::new("length, no line end after", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b""),
    Row::new("no space after the colon", b"--frame\r\nContent-Type:image/jpeg\r\nContent-Length:{len}\r\n\r\n", b"\r\n"),
    Row::new("image/jpg", b"--frame\r\nContent-Type: image/jpg\r\n\r\n", b"\r\n"),
    Row::new("octet-stream", b"--frame\r\nContent-Type: application/octet-stream\r\n\r\n", b"\r\n"),
    Row::new("pictures called text", b"--frame\r\nContent-Type: text/plain\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("length 2 too large", b"--frame\r\nContent-Length: {len+2}\r\n\r\n", b"\r\n").first_waits(),
    Row::new("length 20 too large", b"--frame\r\nContent-Length: {len+20}\r\n\r\n", b"\r\n").first_waits(),
    Row::new("length 50 too large", b"--frame\r\nContent-Length: {len+50}\r\n\r\n", b"\r\n").first_waits(),
    Row::new("length 20 too large, junk", b"--frame\r\nContent-Length: {len+20}\r\n\r\n", b"\0junk\0\r\n")
        .first_waits(),
    Row::new("length 200 kB too large, junk", b"--frame\r\nContent-Length: {len+200000}\r\n\r\n", b"\0junk\0\r\n")
        .first_waits(),
    Row::new("length 20 too large, no delimiter", b"Content-Length: {len+20}\r\n\r\n", b"\r\n").first_waits(),
    Row::new("length too large by 5 GB", b"--frame\r\nContent-Length: {len+5000000000}\r\n\r\n", b"\r\n"),
    Row::new("length of 10^20", b"--frame\r\nContent-Length: 100000000000000000000\r\n\r\n", b"\r\n"),
    Row::new("length 2 too small", b"--frame\r\nContent-Length: {len-2}\r\n\r\n", b"\r\n"),
    Row::new("length 20 too small", b"--frame\r\nContent-Length: {len-20}\r\n\r\n", b"\r\n"),
    Row::new("length 50 too small", b"--frame\r\nContent-Length: {len-50}\r\n\r\n", b"\r\n"),
    Row::new("length 50 too small, no delimiter", b"Content-Length: {len-50}\r\n\r\n", b"\r\n"),
    Row::new("length 0", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 0\r\n\r\n", b"\r\n"),
    Row::new("length -1", b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: -1\r\n\r\n", b"\r\n"),
    Row::new("length twice", b"--frame\r\nContent-Length: 3\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("line feeds alone, with length", b"--frame\nContent-Type: image/jpeg\nContent-Length: {len}\n\n", b"\n"),
    Row::new("carriage returns doubled", b"--frame\r\r\nContent-Type: image/jpeg\r\r\n\r\r\n", b"\r\r\n"),
    Row::new("blanks after delimiters", b"--frame \t \r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n"),
    Row::new("delimiter with a blank and dashes", b"--video boundary--\r\n\r\n", b"\r\n"),
    Row::new("no dashes before the delimiter", b"frame\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n"),
    Row::new("four dashes", b"----frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("delimiter of dashes alone", b"--\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n"),
    Row::new("a new delimiter each time", b"--frame{i}\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new(
        "70 characters",
        b"--0123456789012345678901234567890123456789012345678901234567890123456789\r\nContent-Length: {len}\r\n\r\n",
        b"\r\n",
    ),
    Row::new("junk after the picture", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"\0\0\xff\xff\r\n"),
    Row::new("text after the picture", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\nend: yes\r\n\r\n"),
    Row::new("trash before the picture", b"--frame\r\nContent-Length: {len+8}\r\n\r\n\xff\xff\0trash", b"\r\n"),
    Row::new("trash with a start of image", b"--frame\r\n\r\n\x01\xff\xd8\xff\0xyz", b"\r\n"),
    Row::new("long trash with one", b"--frame\r\nContent-Length: {len+24}\r\n\r\n\xff\xd8\xff\xd0 long trash with one", b"\r\n"),
    Row::new("trash that begins and ends a picture", b"--frame\r\n\r\n\xff\xd8\xff\xd9", b"\r\n"),
    Row::new("trash with the start of a scan", b"--frame\r\n\r\n\x01\xff\xd8\xff\xda\0\x08\x01", b"\r\n"),
    Row::new("trash that starts twice", b"--frame\r\nContent-Length: {len+12}\r\n\r\n\xff\xd8\xff\xff\xd8\xff\0 two ", b"\r\n"),
    Row::new("trash that the length leaves out", b"--frame\r\nContent-Length: {len}\r\n\r\ntra:\nsh", b"\r\n"),
    Row::new("preamble", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n")
        .opening(b"This is a multipart message.\r\nIgnore: it\r\n\r\n\xff\xd8\r\n"),
    Row::new("padding in the length", b"--frame\r\nContent-Length: {len}\r\n\r\n", b"\r\n").padding(&[0; 13]).first_waits(),
    Row::new("padding of FF, no line end", b"\r\n--frame\r\nContent-Length: {len}\r\n\r\n", b"")
        .padding(&[0xff; 40])
        .first_waits(),
    Row::new("text part between", b"--f\r\nContent-Type: text/plain\r\n\r\nhello\r\n--f\r\nContent-Type: image/jpeg\r\n\r\n", b"\r\n")
        .foreign(0, 1),
    Row::new(
        "text part whose length is too large",
        b"--f\r\nContent-Type: text/plain\r\nContent-Length: 5000\r\n\r\nhello\r\n--f\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    )
    .foreign(0, 1),
    Row::new(
        "text part whose length is too small",
        b"--f\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhello\r\n--f\r\nContent-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    )
    .foreign(0, 1),
    Row::new(
        "text part with a start of image behind its length",
        b"--f\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[\"\xff\xd8\xff\xe0,,,\"]\r\n--f\r\n\
          Content-Type: image/jpeg\r\n\r\n",
        b"\r\n",
    )
    .foreign(0, 1),
    Row::new(
        "binary part without line end",
        b"\r\n--f\r\nContent-Type: audio/basic\r\n\r\n\x01\x02\x03--f\r\nContent-Type: image/jpeg\r\n\r\n",
        b"",
    )
    .foreign(0, 1),
    Row::new("no head", b"--frame\r\n\r\n", b"\r\n"),
    Row::new("no head and no blank line", b"--frame\r\n", b"\r\n"),
    Row::new("no type", b"--frame\r\nX-Other: 1\r\n\r\n", b"\r\n"),
    Row::new("no blank line", b"--frame\r\nContent-Length: {len}\r\n", b"\r\n"),
    Row::new("everything glued", b"--frameContent-Type: image/jpeg\r\n\r\n", b""),
    Row::new("folded head", b"--frame\r\nContent-Type:\r\n image/jpeg\r\nContent-Length:\r\n\t{len}\r\n\r\n", b"\r\n"),
    Row::new("empty parts", b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\r\n--frame\r\nContent-Length: 0\r\n\r\n--frame\r\n\r\n", b"\r\n"),
    Row::new("every delimiter a last one", b"--frame--\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n"),
    Row::new("concatenated pictures", b"", b""),
    Row::new("concatenated pictures with lengths", b"Content-Length: {len}\r\n\r\n", b""),
    Row::new("concatenated pictures with line ends", b"", b"\r\n"),
    Row::new("multipart in multipart", b"--in\r\nContent-Type: image/jpeg\r\nContent-Length: {len}\r\n\r\n", b"\r\n")
        .opening(b"--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n")
        .closing(b"--in--\r\n--out--\r\n"),
];

/// Every row there is.
pub fn all() -> impl Iterator<Item = &'static Row> {
    PRODUCERS.iter().chain(QUIRKS)
}

/// Runs a check on each row, and names all rows that fail it.
#[track_caller]
pub fn each(check: impl Fn(&Row) + std::panic::RefUnwindSafe) {
    let fails = |row: &&Row| std::panic::catch_unwind(|| check(row)).is_err();
    let failed: Vec<_> = all().filter(fails).map(|row| row.name).collect();
    assert!(failed.is_empty(), "{} rows fail: {failed:#?}", failed.len());
}
