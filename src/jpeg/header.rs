//! The frame header (SOF segment), ITU-T T.81 B.2.2.

/// What the frame header says of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Width in pixels, at least 1.
    pub width: u16,
    /// Height in pixels, at least 1.
    pub height: u16,
    /// Number of components: 1 is grey, 3 is colour.
    pub components: u8,
}

impl Header {
    /// Length of the fields read here: sample precision, height, width, number of components.
    pub(super) const LEN: usize = 6;

    /// Reads the fields that follow the segment's length; `None` when they make no sense.
    pub(super) fn parse(fields: [u8; Self::LEN]) -> Option<Self> {
        let [_precision, h1, h0, w1, w0, components] = fields;
        let header = Self { width: u16::from_be_bytes([w1, w0]), height: u16::from_be_bytes([h1, h0]), components };
        // T.81 B.2.5 lets a DNL segment behind the first scan tell the height. libjpeg refuses that, and no camera is
        // known to do it.
        (header.width > 0 && header.height > 0 && components > 0).then_some(header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_and_components_are_read() {
        let header = Header::parse([8, 0x02, 0xd0, 0x05, 0x00, 3]);
        assert_eq!(header, Some(Header { width: 1280, height: 720, components: 3 }));
    }

    #[test]
    fn a_picture_without_width_height_or_components_is_refused() {
        assert_eq!(Header::parse([8, 0, 1, 0, 0, 3]), None);
        assert_eq!(Header::parse([8, 0, 0, 0, 1, 3]), None);
        assert_eq!(Header::parse([8, 0, 1, 0, 1, 0]), None);
    }
}
