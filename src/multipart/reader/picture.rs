//! Inside a picture: where it ends. The walk over its markers decides; its declared length is believed where what
//! follows confirms it.

use bytes::Bytes;
use memchr::memmem;

use super::{Event, Frame, Lengths, Place, Reader, Skip, Start, Step, between::MIN_PICTURE};
use crate::{
    jpeg::{self, Damage, Header, Walk},
    multipart::{
        delimiter::Found,
        head::{Head, Line, MAX_DELIMITER, begins_head},
    },
};

#[derive(Debug)]
pub(super) struct Picture<S> {
    head: Head,
    /// Declared length, counted from the start of the picture. Taken away once it has proved wrong.
    length: Option<usize>,
    /// A delimiter came before it, so one is to be expected after it.
    delimited: bool,
    /// It does not stand at the beginning of its part, nor nearly.
    behind_junk: bool,
    walk: Walk,
    /// How far the bytes that its length announces behind where the walk has stopped were searched for a delimiter.
    searched: usize,
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
    /// The picture begins here only.
    Restart(usize),
}

enum Resume {
    /// Something begins here: a delimiter, a head, or another picture.
    At(usize),
    /// Nothing begins before this offset. If a delimiter is to be expected, all up to it is the rest of this picture.
    After(usize),
}

impl<S: Copy> Picture<S> {
    pub(super) fn new(start: Start, length: Option<usize>, stamp: S) -> Self {
        let Start { head, delimited, behind_junk, .. } = start;
        Self { head, length, delimited, behind_junk, walk: Walk::new(), searched: 0, stamp, settling: None }
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
        let (Place::Picture(picture), data) = (&self.place, self.buffer.data()) else { return Verdict::More };
        if let Some(length) = picture.length
            && let Some(after) = data.get(length..)
            && self.outlives(step, length)
        {
            // The walk found no end where the head puts it: either the length is wrong, or the picture is.
            match self.delimiter.or_picture_follows(after) {
                Found::Yes => return cut_short(&data[..length]),
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
    fn outlives(&self, step: jpeg::Step, length: usize) -> bool {
        match step {
            jpeg::Step::More => true,
            jpeg::Step::End(end) => end > length,
            jpeg::Step::Damaged(at, _) => {
                at >= length
                    || self.lengths == Lengths::Right && self.delimiter.find_in(&self.buffer.data()[..at]).is_none()
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
            return match self.delimiter.follows(&self.buffer.data()[end..]) {
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

    /// The walk had to search for markers before it found an end: whether damage led it into another picture.
    fn strayed(&self, end: usize) -> Option<Verdict> {
        let Place::Picture(picture) = &self.place else { return None };
        let data = &self.buffer.data()[..end];
        let resume = match (self.delimiter.find_in(data), self.picture_inside(data)) {
            (Some(at), _) => Resume::At(at),
            // No delimiter came before it: a thumbnail.
            (None, Some(_)) if picture.delimited => Resume::After(2),
            (None, Some(at)) => Resume::At(at),
            (None, None) => return None,
        };
        Some(Verdict::Damaged(Damage::StartInside, resume))
    }

    /// Where a whole picture begins in `data` that ends with it, or that goes on as a stream does after a picture:
    /// after thumbnails it does not.
    fn picture_inside(&self, data: &[u8]) -> Option<usize> {
        let starts = memmem::find_iter(data, &jpeg::START).skip_while(|at| *at == 0).take(MAX_RETRIES);
        starts.into_iter().find(|start| {
            let mut walk = Walk::new();
            match walk.step(data, *start) {
                jpeg::Step::End(len) if walk.is_clean() => {
                    self.delimiter.or_picture_follows(&data[start + len..]) != Found::No
                }
                _ => false,
            }
        })
    }

    /// The walk has found what no picture has, and that tells enough whatever its length says.
    fn judge_early_damage(&mut self, at: usize, damage: Damage) -> Option<Verdict> {
        if damage == Damage::StartInside && self.nothing_stands_before(at) {
            return Some(Verdict::Restart(at));
        }
        let Place::Picture(picture) = &mut self.place else { return None };
        let length = picture.length.filter(|length| *length > at)?;
        if self.lengths != Lengths::Right || self.delimiter.find_in(&self.buffer.data()[..at]).is_some() {
            return None;
        }
        if length - at > 2 * self.last_len + LONGER {
            // Waiting for its end would hold up those that follow, if it is the length that is damaged.
            self.distrust_length();
            return None;
        }
        let data = self.buffer.data();
        let rest = &data[at..data.len().min(length)];
        let searched = picture.searched.saturating_sub(MAX_DELIMITER);
        picture.searched = rest.len();
        let delimiter = at + searched + self.delimiter.find_in(&rest[searched..])?;
        Some(Verdict::Damaged(damage, Resume::At(delimiter)))
    }

    /// Whether the start of image at `at` is the first that is one in its part: a start that comes twice, or junk that
    /// looks like one.
    fn nothing_stands_before(&self, at: usize) -> bool {
        let Place::Picture(picture) = &self.place else { return false };
        if picture.walk.has_segments() {
            return false;
        }
        if at == jpeg::START.len() - 1 {
            return true;
        }
        let junk = &self.buffer.data()[..at];
        let is_head = |line: &[u8]| matches!(Line::of(line), Line::Field(field) if begins_head(field));
        picture.delimited
            && !picture.walk.is_clean()
            && self.delimiter.find_in(junk).is_none()
            && !junk.split_inclusive(|byte| *byte == b'\n').any(is_head)
    }

    /// The walk has found what no picture has.
    fn judge_damage(&self, at: usize, damage: Damage) -> Verdict {
        let Place::Picture(picture) = &self.place else { return Verdict::More };
        if self.delimiter.find_in(&self.buffer.data()[..at]).is_none() {
            if picture.length.is_some() && self.lengths == Lengths::Right {
                // The lengths were right so far: see what stands where this one ends.
                return Verdict::More;
            }
            if damage == Damage::StartInside && picture.walk.is_clean() {
                // It does not stand in a segment, as thumbnails do: this is the next picture.
                return Verdict::Damaged(damage, Resume::At(at));
            }
        }
        self.damaged(damage, at)
    }

    /// The verdict on a picture that shows damage at `at`.
    fn damaged(&self, damage: Damage, at: usize) -> Verdict {
        let data = self.buffer.data();
        let resume = match self.delimiter.find_in(&data[..at]) {
            Some(delimiter) => Resume::At(delimiter),
            None if damage != Damage::TooLarge && self.damaged_in_a_row < MAX_RETRIES => Resume::After(2),
            None => Resume::After(at.max(2)),
        };
        Verdict::Damaged(damage, resume)
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

/// The verdict on a picture whose part ended before the walk did.
fn cut_short(part: &[u8]) -> Verdict {
    let damage = jpeg::check(part).err().unwrap_or(Damage::Truncated);
    Verdict::Damaged(damage, Resume::At(part.len()))
}

/// Bytes by which the rest of a damaged picture may be longer than two whole ones, where the lengths were right so far.
/// Chosen: pictures grow by as much when the light goes on.
const LONGER: usize = 64 * 1024;

/// Damaged pictures in a row after which the search for the next goes on behind the damage, not behind the start, and
/// starts tried inside one picture: a hostile stream of nested starts would otherwise make the walk go over the same
/// bytes again and again.
const MAX_RETRIES: usize = 16;
