//! Inside a picture: where it ends. The walk over its markers decides; its declared length is believed where what
//! follows confirms it.

use super::{Event, Frame, Lengths, Place, Reader, Step};
use crate::{
    jpeg::{self, Damage, Header, Walk},
    multipart::{delimiter::Found, head::Head},
};

#[derive(Debug)]
pub(super) struct Picture<S> {
    head: Head,
    /// Declared length, counted from the start of the picture. Taken away once it has proved wrong.
    length: Option<usize>,
    walk: Walk,
    stamp: S,
    /// The picture is whole; only what follows may still change its length.
    settling: Option<Whole>,
}

/// A whole picture.
#[derive(Clone, Copy, Debug)]
struct Whole {
    len: usize,
    header: Header,
    /// What this picture's length proves of the stream's lengths.
    lengths: Lengths,
}

/// What the bytes so far say of a picture.
enum Verdict {
    More,
    /// Whole as it is should nothing more come; the next bytes may prove another length.
    Settling(Whole),
    Whole(Whole),
    /// Damaged, and where to go on.
    Damaged(Damage, Resume),
}

enum Resume {
    /// A delimiter or head starts here.
    At(usize),
    /// Search from here on.
    After(usize),
}

impl<S: Copy> Picture<S> {
    pub(super) fn new(head: Head, length: Option<usize>, stamp: S) -> Self {
        Self { head, length, walk: Walk::new(), stamp, settling: None }
    }

    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }

    /// Bytes to come by the declared length, with room for the delimiter and head that follow.
    pub(super) fn missing(&self, filled: usize) -> usize {
        self.length.map_or(0, |length| (length + 512).saturating_sub(filled))
    }
}

impl<S: Copy> Reader<S> {
    pub(super) fn step_picture(&mut self) -> Step {
        let verdict = self.judge();
        let Place::Picture(picture) = &mut self.place else { return Step::Next };
        picture.settling = None;
        match verdict {
            Verdict::More => return Step::NeedsBytes,
            Verdict::Settling(whole) => {
                picture.settling = Some(whole);
                return Step::NeedsBytes;
            }
            Verdict::Whole(whole) => self.give_out(whole),
            Verdict::Damaged(damage, resume) => self.lose(damage, resume),
        }
        Step::Next
    }

    /// Ends the picture under way as nothing more comes for now.
    pub(super) fn settle(&mut self) {
        let Place::Picture(picture) = &self.place else { return };
        match picture.settling {
            Some(whole) => self.give_out(whole),
            None => {
                let resume = self.delimiter.find_in(self.data()).map_or(Resume::After(2), Resume::At);
                self.lose(Damage::Truncated, resume);
            }
        }
    }

    fn judge(&mut self) -> Verdict {
        let Place::Picture(picture) = &mut self.place else { return Verdict::More };
        let data = &self.buffer[..self.filled];
        let step = picture.walk.step(data, 0);
        if let Some(length) = picture.length
            && let Some(after) = data.get(length..)
            && self.outlives(step, length)
        {
            // The walk found no end where the head puts it: either the length is wrong, or the picture is.
            let verdict = by_length(&data[..length]);
            match (self.delimiter.or_picture_follows(after), verdict) {
                (Found::Yes, verdict) => return verdict,
                (Found::Unknown, Verdict::Whole(whole)) => return Verdict::Settling(whole),
                (Found::Unknown, _) => return Verdict::More,
                (Found::No, _) => self.distrust_length(),
            }
        }
        let reached = match step {
            jpeg::Step::More => self.filled,
            jpeg::Step::End(at) | jpeg::Step::Damaged(at, _) => at,
        };
        if reached > self.limits.max_frame {
            return Verdict::Damaged(Damage::TooLarge, Resume::After(self.limits.max_frame));
        }
        match step {
            jpeg::Step::More => Verdict::More,
            jpeg::Step::End(end) => self.judge_end(end),
            jpeg::Step::Damaged(at, damage) => self.judge_damage(at, damage),
        }
    }

    /// Whether the walk's answer leaves open that the picture ends at its declared length.
    fn outlives(&self, step: jpeg::Step, length: usize) -> bool {
        match step {
            jpeg::Step::More => true,
            jpeg::Step::End(end) => end > length,
            jpeg::Step::Damaged(at, _) => {
                at >= length || self.lengths == Lengths::Right && self.delimiter.find_in(&self.data()[..at]).is_none()
            }
        }
    }

    fn distrust_length(&mut self) {
        self.lengths = Lengths::Wrong;
        if let Place::Picture(picture) = &mut self.place {
            picture.length = None;
        }
    }

    /// The walk has found the end of image.
    fn judge_end(&self, end: usize) -> Verdict {
        let Place::Picture(picture) = &self.place else { return Verdict::More };
        let Some(header) = picture.walk.header() else {
            return Verdict::Damaged(Damage::NoFrameHeader, Resume::After(end));
        };
        let whole = |len, lengths| Whole { len, header, lengths };
        let data = self.data();
        if picture.length == Some(end) {
            return Verdict::Whole(whole(end, Lengths::Right));
        }
        if !picture.walk.is_clean()
            && let Some(at) = self.delimiter.find_in(&data[..end])
        {
            return Verdict::Damaged(Damage::StartInside, Resume::At(at));
        }
        let Some(length) = picture.length.filter(|_| self.lengths != Lengths::Wrong) else {
            return Verdict::Whole(whole(end, self.lengths));
        };
        // More bytes are announced: padding that belongs to the part, or a length that is wrong.
        let short = whole(end, Lengths::Wrong);
        let padding = &data[end..data.len().min(length)];
        match self.delimiter.follows(padding) {
            Found::Yes => return Verdict::Whole(short),
            Found::Unknown if data.len() < length => return Verdict::Settling(short),
            _ => {}
        }
        let Some(after) = data.get(length..) else { return Verdict::Settling(short) };
        match self.delimiter.or_picture_follows(after) {
            // A length that counts the line end before the delimiter: that is no padding.
            Found::Yes if padding.trim_ascii().is_empty() => Verdict::Whole(short),
            Found::Yes => Verdict::Whole(whole(length, Lengths::Right)),
            Found::No => Verdict::Whole(short),
            Found::Unknown => Verdict::Settling(whole(length, Lengths::Right)),
        }
    }

    /// The walk has found what no picture has.
    fn judge_damage(&self, at: usize, damage: Damage) -> Verdict {
        let Place::Picture(picture) = &self.place else { return Verdict::More };
        if let Some(delimiter) = self.delimiter.find_in(&self.data()[..at]) {
            return Verdict::Damaged(damage, Resume::At(delimiter));
        }
        if picture.length.is_some() && self.lengths == Lengths::Right {
            // The lengths were right so far: see what stands where this one ends.
            return Verdict::More;
        }
        let resume = if self.damaged_in_a_row < MAX_RETRIES { 2 } else { at.max(2) };
        Verdict::Damaged(damage, Resume::After(resume))
    }

    fn give_out(&mut self, whole: Whole) {
        let Place::Picture(picture) = &mut self.place else { return };
        let Whole { len, header, lengths } = whole;
        let timestamp = picture.head.timestamp().map(str::to_owned);
        let stamp = picture.stamp;
        let jpeg = self.buffer.split_to(len).freeze();
        self.filled -= len;
        self.lengths = lengths;
        self.damaged_in_a_row = 0;
        self.events.push_back(Event::Frame(Frame { jpeg, header, timestamp, stamp }));
        self.enter_between(false);
    }

    fn lose(&mut self, damage: Damage, resume: Resume) {
        self.damaged_in_a_row = self.damaged_in_a_row.saturating_add(1);
        self.events.push_back(Event::Damaged(damage));
        let (at, lost) = match resume {
            Resume::At(at) => (at, false),
            Resume::After(at) => (at.min(self.filled), true),
        };
        self.consume(at);
        self.enter_between(lost);
    }
}

/// A part ends where its length says, but the walk found no end of image there: it was led astray by damage, or the
/// picture is cut short.
fn by_length(picture: &[u8]) -> Verdict {
    let mut walk = Walk::new();
    walk.step(picture, 0);
    match walk.header() {
        Some(header) if picture.ends_with(&END) => {
            Verdict::Whole(Whole { len: picture.len(), header, lengths: Lengths::Right })
        }
        _ => Verdict::Damaged(Damage::Truncated, Resume::At(picture.len())),
    }
}

/// The end of image.
const END: [u8; 2] = [0xff, 0xd9];

/// Damaged pictures in a row after which the search for the next goes on behind the damage, not behind the start: a
/// hostile stream of nested starts would otherwise make the walk go over the same bytes again and again.
const MAX_RETRIES: u32 = 16;
