//! Pictures made from nothing: real in structure (ITU-T T.81 annex B), each different, not meant to be decoded.

/// What a picture is to hold. Each kind is made of the same index, so that any two pictures differ.
#[derive(Clone, Debug)]
pub struct Jpeg {
    index: usize,
    data: usize,
    thumbnail: bool,
    comment: Option<Vec<u8>>,
    restarts: bool,
    fill_bytes: bool,
    scans: usize,
}

/// A picture and where its parts are, for tests that damage it.
#[derive(Clone, Debug)]
pub struct Built {
    pub bytes: Vec<u8>,
    /// Offset of each segment's marker, with the segment's marker code, in order. Data and parameterless markers have
    /// none.
    pub segments: Vec<(u8, usize)>,
    /// Offset of the first byte of the first scan's data.
    pub data: usize,
}

pub const WIDTH: u16 = 64;
pub const HEIGHT: u16 = 48;

/// A picture of this index that has a bit of everything that misleads a reader, by turns.
pub fn picture(index: usize) -> Vec<u8> {
    any(index, 400 + index * 37 % 200).bytes()
}

/// Like [`picture`], with about `data` bytes of entropy-coded data.
pub fn any(index: usize, data: usize) -> Jpeg {
    let jpeg = Jpeg::new(index).data(data);
    match index % 6 {
        0 => jpeg,
        1 => jpeg.thumbnail(),
        2 => jpeg.comment(
            b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 3\r\n\r\n\xff\xd8\xff\xff\xd9\r\n--frame\r\n",
        ),
        3 => jpeg.restarts(),
        4 => jpeg.scans(3),
        _ => jpeg.thumbnail().restarts().fill_bytes().comment(b"\r\n--\r\n\xff\xd9"),
    }
}

/// A picture of another size than [`WIDTH`] by [`HEIGHT`].
pub fn sized(index: usize, width: u16, height: u16) -> Vec<u8> {
    let mut built = Jpeg::new(index).build();
    // Marker, length and precision come before it.
    let size = built.at(0xc0) + 5;
    built.bytes[size..size + 2].copy_from_slice(&height.to_be_bytes());
    built.bytes[size + 2..size + 4].copy_from_slice(&width.to_be_bytes());
    built.bytes
}

impl Jpeg {
    pub fn new(index: usize) -> Self {
        Self { index, data: 200, thumbnail: false, comment: None, restarts: false, fill_bytes: false, scans: 1 }
    }

    /// About this many bytes of entropy-coded data.
    pub fn data(self, data: usize) -> Self {
        Self { data, ..self }
    }

    /// An EXIF segment that holds a whole small picture.
    pub fn thumbnail(self) -> Self {
        Self { thumbnail: true, ..self }
    }

    /// A comment segment.
    pub fn comment(self, text: &[u8]) -> Self {
        Self { comment: Some(text.to_vec()), ..self }
    }

    /// A restart interval and restart markers in the data.
    pub fn restarts(self) -> Self {
        Self { restarts: true, ..self }
    }

    /// Fill bytes before some markers.
    pub fn fill_bytes(self) -> Self {
        Self { fill_bytes: true, ..self }
    }

    /// Several scans with a Huffman table between, as progressive pictures have.
    pub fn scans(self, scans: usize) -> Self {
        Self { scans, ..self }
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.build().bytes
    }

    pub fn build(&self) -> Built {
        let mut built = Built { bytes: vec![0xff, 0xd8], segments: Vec::new(), data: 0 };
        built.segment(0xe0, b"JFIF\0\x01\x02\0\0\x01\0\x01\0\0");
        if self.thumbnail {
            let small = Self::new(self.index + 1000).data(60).bytes();
            built.segment(0xe1, &[b"Exif\0\0MM\0*\0\0\0\x08".as_slice(), &small, b"\0\0"].concat());
        }
        if let Some(comment) = &self.comment {
            built.segment(0xfe, comment);
        }
        self.fill(&mut built);
        built.segment(0xdb, &[&[0][..], &[16; 64]].concat());
        let [h1, h0] = HEIGHT.to_be_bytes();
        let [w1, w0] = WIDTH.to_be_bytes();
        let code = if self.scans > 1 { 0xc2 } else { 0xc0 };
        built.segment(code, &[8, h1, h0, w1, w0, 3, 1, 0x22, 0, 2, 0x11, 0, 3, 0x11, 0]);
        if self.restarts {
            built.segment(0xdd, &[0, 4]);
        }
        for scan in 0..self.scans {
            built.segment(0xc4, &[&[scan as u8, 1][..], &[0; 15], &[0]].concat());
            self.fill(&mut built);
            built.segment(0xda, &[3, 1, 0, 2, 0, 3, 0, 0, 63, 0]);
            if scan == 0 {
                built.data = built.bytes.len();
            }
            self.entropy(scan, &mut built.bytes);
        }
        self.fill(&mut built);
        built.bytes.extend([0xff, 0xd9]);
        built
    }

    fn fill(&self, built: &mut Built) {
        if self.fill_bytes {
            built.bytes.extend([0xff; 3]);
        }
    }

    /// Data with stuffed zeros in it; starts with the index, so that no two pictures are alike.
    fn entropy(&self, scan: usize, bytes: &mut Vec<u8>) {
        let end = bytes.len() + self.data / self.scans;
        bytes.extend(format!("[{}.{scan}]", self.index).into_bytes());
        let mut random = (self.index * 31 + scan + 1) as u32;
        let mut restart = 0;
        while bytes.len() < end {
            // Numerical Recipes' generator: any that is the same on each run would do.
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let byte = (random >> 24) as u8;
            bytes.push(byte);
            if byte == 0xff {
                bytes.push(0);
            }
            if self.restarts && bytes.len().is_multiple_of(64) {
                bytes.extend([0xff, 0xd0 + restart]);
                restart = (restart + 1) % 8;
            }
        }
    }
}

impl Built {
    fn segment(&mut self, code: u8, body: &[u8]) {
        self.segments.push((code, self.bytes.len()));
        let len = u16::try_from(body.len() + 2).expect("a segment that fits").to_be_bytes();
        self.bytes.extend([0xff, code]);
        self.bytes.extend(len);
        self.bytes.extend(body);
    }

    /// Offset of the first segment with this marker code.
    #[track_caller]
    pub fn at(&self, code: u8) -> usize {
        self.segments.iter().find(|(known, _)| *known == code).expect("the picture has such a segment").1
    }
}
