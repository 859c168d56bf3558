//! Inside a picture: where it ends. The walk over its markers decides; its declared length is believed where what
//! follows confirms it.

use bytes::Bytes;
use memchr::memmem;

use super::{
    Event, Frame, Lengths, Place, Reader, Skip, Start, Step,
    between::MIN_PICTURE,
    damaged::{LONGER, cut_short},
};
use crate::{
    jpeg::{self, Damage, Header, Walk},
    multipart::{
        delimiter::Found,
        head::{Head, MAX_DELIMITER},
    },
};

#[derive(Debug)]
pub(super) struct Picture<S> {
    head: Head,
    /// Declared length, counted from the start of the picture. Taken away once it has proved wrong.
    pub(super) length: Option<usize>,
    /// A delimiter came before it, so one is to be expected after it.
    pub(super) delimited: bool,
    /// It does not stand at the beginning of its part, nor nearly.
    behind_junk: bool,
    pub(super) walk: Walk,
    /// How far the bytes behind where the walk has stopped were searched for what ends the part.
    pub(super) searched: usize,
    stamp: S,
    /// The picture is whole; only what follows may still change its length.
    settling: Option<Whole>,
    /// Where the delimiter stands before what the walk has failed at, once that was looked for.
    pub(super) delimiter_before: Option<Option<usize>>,
}

/// A whole picture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Whole {
    len: usize,
    header: Header,
    /// What this picture's length proves of the stream's lengths.
    lengths: Lengths,
}

/// What the bytes so far say of a picture.
pub(super) enum Verdict {
    More,
    /// Whole as it is should nothing more come; the next bytes may prove another length.
    Settling(Whole),
    Whole(Whole),
    /// Damaged, and where to go on.
    Damaged(Damage, Resume),
    /// The picture begins here only.
    Restart(usize),
}

pub(super) enum Resume {
    /// Something begins here: a delimiter, a head, or another picture.
    At(usize),
    /// Nothing begins before this offset. If a delimiter is to be expected, all up to it is the rest of this picture.
    After(usize),
}

impl<S: Copy> Picture<S> {
    pub(super) fn new(start: Start, length: Option<usize>, stamp: S) -> Self {
        let Start { head, delimited, behind_junk, .. } = start;
        Self {
            head,
            length,
            delimited,
            behind_junk,
            walk: Walk::new(),
            searched: 0,
            stamp,
            settling: None,
            delimiter_before: None,
        }
    }

    pub(super) fn is_settling(&self) -> bool {
        self.settling.is_some()
    }

    /// Its declared length.
    pub(super) fn length(&self) -> Option<usize> {
        self.length
    }

    /// Begins anew behind so many bytes.
    fn restart(&mut self, at: usize, stamp: S) {
        self.walk = Walk::new();
        self.searched = 0;
        self.delimiter_before = None;
        self.length = self.length.and_then(|length| length.checked_sub(at));
        self.behind_junk |= at >= MIN_PICTURE;
        self.stamp = stamp;
    }
}

impl<S: Copy> Reader<S> {
    pub(super) fn step_picture(&mut self, stamp: S) -> Step {
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
            Verdict::Restart(at) => {
                picture.restart(at, stamp);
                self.buffer.consume(at);
            }
        }
        Step::Next
    }

    /// Ends the picture under way as nothing more comes for now.
    pub(super) fn settle(&mut self) {
        let Place::Picture(picture) = &self.place else { return };
        if let Some(whole) = picture.settling {
            // The silence begins where its length ends.
            self.pads |= whole.lengths == Lengths::Right;
            return self.give_out(whole);
        }
        let data = self.buffer.data();
        let resume = match self.delimiter.find_in(data) {
            // Had anything else begun in these bytes, the walk would have seen it.
            _ if picture.walk.is_clean() && picture.walk.is_within(data.len()) => Resume::After(data.len()),
            Some(at) => Resume::At(at),
            None if picture.delimited => Resume::After(2),
            None => self.picture_inside(data).map_or(Resume::After(data.len()), Resume::At),
        };
        self.lose(Damage::Truncated, resume);
    }

    fn judge(&mut self) -> Verdict {
        let Place::Picture(picture) = &mut self.place else { return Verdict::More };
        let data = self.buffer.data();
        // The walk sees no byte beyond the limit, nor beyond the declared length until that has proved wrong, so that what
        // it finds there cannot depend on how reads were cut.
        let seen = data.len().min(picture.length.unwrap_or(self.limits.max_frame));
        let step = picture.walk.step(&data[..seen], 0);
        if let jpeg::Step::Damaged(at, damage) = step
            && let Some(verdict) = self.judge_early_damage(at, damage)
        {
            return verdict;
        }
        let Place::Picture(picture) = &self.place else { return Verdict::More };
        if let Some(length) = picture.length
            && self.buffer.data().len() >= length
            && self.outlives(step, length)
        {
            // The walk found no end where the head puts it: either the length is wrong, or the picture is.
            let (part, after) = self.buffer.data().split_at(length);
            match self.delimiter.or_picture_follows(after) {
                Found::Yes => return cut_short(part),
                Found::Unknown => return Verdict::More,
                Found::No => {
                    self.distrust_length();
                    return self.judge();
                }
            }
        }
        match step {
            jpeg::Step::More if self.buffer.data().len() > self.limits.max_frame => {
                self.damaged(Damage::TooLarge, self.limits.max_frame)
            }
            jpeg::Step::More => Verdict::More,
            jpeg::Step::End(end) => self.judge_end(end),
            jpeg::Step::Damaged(at, damage) => self.judge_damage(at, damage),
        }
    }

    /// Whether the walk's answer leaves open that the picture ends at its declared length.
    fn outlives(&mut self, step: jpeg::Step, length: usize) -> bool {
        match step {
            jpeg::Step::More => true,
            jpeg::Step::End(end) => end > length,
            jpeg::Step::Damaged(at, _) => {
                at >= length || self.lengths == Lengths::Right && self.delimiter_before(at).is_none()
            }
        }
    }

    pub(super) fn distrust_length(&mut self) {
        self.lengths = Lengths::Wrong;
        if let Place::Picture(picture) = &mut self.place {
            picture.length = None;
        }
    }

    /// The walk has found the end of image.
    fn judge_end(&mut self, end: usize) -> Verdict {
        let Place::Picture(picture) = &self.place else { return Verdict::More };
        let Some(header) = picture.walk.header() else {
            return self.damaged(Damage::NoFrameHeader, end);
        };
        let whole = |len, lengths| Whole { len, header, lengths };
        if picture.length == Some(end) {
            return Verdict::Whole(whole(end, Lengths::Right));
        }
        if picture.behind_junk && self.tidy {
            // Where pictures begin their parts otherwise, this may be the thumbnail of one whose start is missing.
            return match self.part_ends_soon(&self.buffer.data()[end..]) {
                Found::Yes => Verdict::Whole(whole(end, self.lengths)),
                Found::Unknown => Verdict::Settling(whole(end, self.lengths)),
                Found::No => Verdict::Damaged(Damage::NotJpeg, Resume::After(2)),
            };
        }
        if !picture.walk.is_clean()
            && let Some(damaged) = self.strayed(end)
        {
            return damaged;
        }
        match picture.length {
            Some(length) if length > end && self.lengths != Lengths::Wrong => {
                self.judge_padding(whole(end, Lengths::Wrong), whole(length, Lengths::Right))
            }
            _ => Verdict::Whole(whole(end, self.lengths)),
        }
    }

    /// Whether the part ends where `after` begins, or nearly.
    fn part_ends_soon(&self, after: &[u8]) -> Found {
        let follows = self.delimiter.follows(after);
        if follows != Found::No || self.delimiter.text().is_none() {
            return follows;
        }
        let near = &after[..after.len().min(SLACK + MAX_DELIMITER)];
        match self.delimiter.find_in(near) {
            Some(at) if at <= SLACK => Found::Yes,
            None if near.len() < SLACK + MAX_DELIMITER => Found::Unknown,
            _ => Found::No,
        }
    }

    /// Its length announces more bytes than the picture has: padding that belongs to the part, or the length is wrong.
    fn judge_padding(&mut self, short: Whole, padded: Whole) -> Verdict {
        let Place::Picture(picture) = &mut self.place else { return Verdict::More };
        let data = self.buffer.data();
        let padding = &data[short.len..data.len().min(padded.len)];
        let follows = self.delimiter.follows(padding);
        let unsearched = &padding[picture.searched.saturating_sub(MAX_DELIMITER)..];
        if follows == Found::Yes || self.delimiter.find_in(unsearched).is_some() {
            return Verdict::Whole(short);
        }
        if padding.starts_with(&jpeg::START) && padded.len - short.len > 2 * short.len + LONGER {
            // What begins there is the next picture, not a second one that belongs to this (MPO): its length announces
            // more than that would have.
            return Verdict::Whole(short);
        }
        picture.searched = padding.len();
        let Some(after) = data.get(padded.len..) else { return Verdict::Settling(short) };
        if follows == Found::No && self.pads && is_plain(padding) {
            return Verdict::Whole(padded);
        }
        // A length that counts the line end before the delimiter: that is no padding.
        let is_line_end = padding.trim_ascii().is_empty();
        match self.delimiter.or_picture_follows(after) {
            Found::Yes if is_line_end => Verdict::Whole(short),
            // Nor is one that ends between the two bytes of that line end.
            Found::Yes if padding.ends_with(b"\r") && after.starts_with(b"\n") => Verdict::Whole(short),
            Found::Yes => {
                self.pads = true;
                Verdict::Whole(padded)
            }
            Found::No => Verdict::Whole(short),
            Found::Unknown => Verdict::Settling(if is_line_end { short } else { padded }),
        }
    }

    fn give_out(&mut self, whole: Whole) {
        let Place::Picture(picture) = &mut self.place else { return };
        let Whole { len, header, lengths } = whole;
        self.tidy = !picture.behind_junk;
        let timestamp = picture.head.timestamp().map(str::to_owned);
        let stamp = picture.stamp;
        self.found.push(self.buffer.mark(len));
        self.last_len = len;
        self.lengths = lengths;
        self.pads &= lengths == Lengths::Right;
        self.damaged_in_a_row = 0;
        // It gets its bytes when all that came with it has been looked at.
        self.events.push_back(Event::Frame(Frame { jpeg: Bytes::new(), header, timestamp, stamp }));
        self.enter_between(0);
    }

    fn lose(&mut self, damage: Damage, resume: Resume) {
        let Place::Picture(picture) = &self.place else { return };
        let delimited = picture.delimited;
        self.damaged_in_a_row += 1;
        self.tidy &= damage != Damage::NotJpeg;
        self.tell_damaged(damage);
        match resume {
            Resume::After(count) if delimited => {
                self.buffer.consume(count);
                self.place = Place::Skip(Skip::lost());
            }
            Resume::At(count) | Resume::After(count) => self.enter_between(count),
        }
    }
}

/// Whether bytes are padding and nothing else: a line of dashes or a start of image may begin what follows it.
fn is_plain(padding: &[u8]) -> bool {
    memmem::find(padding, b"\n--").is_none() && memmem::find(padding, &jpeg::START).is_none()
}

/// Bytes that may stand behind a picture and be neither its own nor a line end. Chosen: some cameras add one or a few; what
/// follows a thumbnail is longer.
const SLACK: usize = 16;
