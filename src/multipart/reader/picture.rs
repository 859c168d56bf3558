//! Inside a picture: where it ends. The walk over its markers decides; its declared length is believed where what
//! follows confirms it.

use bytes::Bytes;
use memchr::memmem;

use super::{
    Event, Frame, Lead, Lengths, Limits, Place, Skip, Stream, Turn,
    between::MIN_PICTURE,
    damaged::{LONGER, cut_short, damaged, picture_inside},
};
use crate::{
    jpeg::{self, Damage, Header, Walk},
    multipart::{
        delimiter::{Delimiter, Found},
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
    /// Nothing that ends its part begins before this offset from its start. Only kept once the walk has ended or
    /// failed.
    pub(super) searched: usize,
    stamp: S,
    /// The picture is whole; only what follows may still change its length.
    settling: Option<Extent>,
    /// Where the delimiter stands before what the walk has failed at, once that was looked for.
    pub(super) delimiter_before: Option<Option<usize>>,
}

/// Where a whole picture ends, and what that tells.
#[derive(Clone, Copy, Debug)]
pub(super) struct Extent {
    len: usize,
    header: Header,
    /// What this picture's length proves of the stream's lengths.
    lengths: Lengths,
}

/// What the bytes so far say of a picture.
pub(super) enum Verdict {
    More,
    /// Whole as it is should nothing more come; the next bytes may prove another length.
    Settling(Extent),
    Whole(Extent),
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

impl<S> Picture<S> {
    /// A picture of which nothing is known but what came before it.
    pub(super) fn new(lead: Lead, limits: Limits, stamp: S) -> Self {
        let Lead { head, body, delimited, behind_junk } = lead;
        let length = head.length().and_then(|len| usize::try_from(len.checked_sub(body)?).ok());
        Self {
            head,
            length: length.filter(|len| *len <= limits.max_frame && *len > 0),
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
}

impl<S: Copy> Picture<S> {
    pub(super) fn step(&mut self, data: &[u8], stream: &mut Stream, stamp: S) -> Option<Turn<S>> {
        let verdict = self.judge(data, stream);
        self.settling = None;
        match verdict {
            Verdict::More => None,
            Verdict::Settling(extent) => {
                self.settling = Some(extent);
                None
            }
            Verdict::Whole(extent) => Some(self.give_out(extent, stream)),
            Verdict::Damaged(damage, resume) => Some(self.lose(damage, resume, stream)),
            Verdict::Restart(at) => {
                self.restart(at, stamp);
                Some(Turn::stay(at))
            }
        }
    }

    /// Ends the picture as nothing more comes for now.
    pub(super) fn settle(&mut self, data: &[u8], stream: &mut Stream) -> Turn<S> {
        if let Some(extent) = self.settling {
            // The silence begins where its length ends.
            stream.pads |= extent.lengths == Lengths::Right;
            return self.give_out(extent, stream);
        }
        let resume = if self.walk.is_clean() && self.walk.is_within(data.len()) {
            // Had anything else begun in these bytes, the walk would have seen it.
            Resume::After(data.len())
        } else if let Some(at) = stream.delimiter.find_in(data) {
            Resume::At(at)
        } else if self.delimited {
            Resume::After(2)
        } else {
            picture_inside(data, &stream.delimiter).map_or(Resume::After(data.len()), Resume::At)
        };
        self.lose(Damage::Truncated, resume, stream)
    }

    fn judge(&mut self, data: &[u8], stream: &mut Stream) -> Verdict {
        // The walk sees no byte beyond the limit, nor beyond the declared length until that has proved wrong, so that
        // what it finds there cannot depend on how reads were cut.
        let max_frame = stream.limits.max_frame;
        let seen = data.len().min(self.length.unwrap_or(max_frame));
        let step = self.walk.step(&data[..seen], 0);
        if let jpeg::Step::Damaged(at, damage) = step
            && let Some(verdict) = self.judge_early_damage(damage, at, data, stream)
        {
            return verdict;
        }
        if let Some(length) = self.length
            && let Some((part, after)) = data.split_at_checked(length)
            && self.outlives(step, length, data, stream)
        {
            // The walk found no end where the head puts it: either the length is wrong, or the picture is.
            match stream.delimiter.or_picture_follows(after) {
                Found::Yes => return cut_short(part),
                Found::Unknown => return Verdict::More,
                Found::No => {
                    self.distrust_length(stream);
                    return self.judge(data, stream);
                }
            }
        }
        match step {
            jpeg::Step::More if data.len() > max_frame => damaged(Damage::TooLarge, max_frame, data, stream),
            jpeg::Step::More => Verdict::More,
            jpeg::Step::End(end) => self.judge_end(end, data, stream),
            jpeg::Step::Damaged(at, damage) => self.judge_damage(damage, at, data, stream),
        }
    }

    /// Whether the walk's answer leaves open that the picture ends at its declared length.
    fn outlives(&mut self, step: jpeg::Step, length: usize, data: &[u8], stream: &Stream) -> bool {
        match step {
            jpeg::Step::More => true,
            jpeg::Step::End(end) => end > length,
            jpeg::Step::Damaged(at, _) => {
                at >= length
                    || stream.lengths == Lengths::Right && self.delimiter_before(at, data, &stream.delimiter).is_none()
            }
        }
    }

    /// Its length has proved wrong.
    pub(super) fn distrust_length(&mut self, stream: &mut Stream) {
        self.length = None;
        stream.lengths = Lengths::Wrong;
    }

    /// The walk has found the end of image.
    fn judge_end(&mut self, end: usize, data: &[u8], stream: &mut Stream) -> Verdict {
        let Some(header) = self.walk.header() else {
            return damaged(Damage::NoFrameHeader, end, data, stream);
        };
        let extent = |len, lengths| Extent { len, header, lengths };
        if self.length == Some(end) {
            return Verdict::Whole(extent(end, Lengths::Right));
        }
        if self.behind_junk && stream.tidy {
            // Where pictures begin their parts otherwise, this may be the thumbnail of one whose start is missing.
            return match part_ends_soon(&data[end..], &stream.delimiter) {
                Found::Yes => Verdict::Whole(extent(end, stream.lengths)),
                Found::Unknown => Verdict::Settling(extent(end, stream.lengths)),
                Found::No => Verdict::Damaged(Damage::NotJpeg, Resume::After(2)),
            };
        }
        if !self.walk.is_clean()
            && let Some(verdict) = self.strayed(&data[..end], &stream.delimiter)
        {
            return verdict;
        }
        match self.length {
            Some(length) if length > end && stream.lengths != Lengths::Wrong => {
                self.judge_padding(extent(end, Lengths::Wrong), extent(length, Lengths::Right), data, stream)
            }
            _ => Verdict::Whole(extent(end, stream.lengths)),
        }
    }

    /// Its length announces more bytes than the picture has: padding that belongs to the part, or the length is wrong.
    fn judge_padding(&mut self, short: Extent, padded: Extent, data: &[u8], stream: &mut Stream) -> Verdict {
        let seen = data.len().min(padded.len);
        let padding = &data[short.len..seen];
        let follows = stream.delimiter.follows(padding);
        if follows == Found::Yes || self.find_end(&data[..seen], short.len, &stream.delimiter).is_some() {
            return Verdict::Whole(short);
        }
        if padding.starts_with(&jpeg::START) && padded.len - short.len > 2 * short.len + LONGER {
            // What begins there is the next picture, not a second one that belongs to this (MPO): its length announces
            // more than that would have.
            return Verdict::Whole(short);
        }
        let Some(after) = data.get(padded.len..) else { return Verdict::Settling(short) };
        if follows == Found::No && stream.pads && is_plain(padding) {
            return Verdict::Whole(padded);
        }
        // A length that counts the line end before the delimiter: that is no padding.
        let is_line_end = padding.trim_ascii().is_empty();
        match stream.delimiter.or_picture_follows(after) {
            Found::Yes if is_line_end => Verdict::Whole(short),
            // Nor is one that ends between the two bytes of that line end.
            Found::Yes if padding.ends_with(b"\r") && after.starts_with(b"\n") => Verdict::Whole(short),
            Found::Yes => {
                stream.pads = true;
                Verdict::Whole(padded)
            }
            Found::No => Verdict::Whole(short),
            Found::Unknown => Verdict::Settling(if is_line_end { short } else { padded }),
        }
    }

    /// Where the delimiter stands in the picture's bytes `data`, from `from` on. What was searched before is not again.
    pub(super) fn find_end(&mut self, data: &[u8], from: usize, delimiter: &Delimiter) -> Option<usize> {
        let from = from.max(self.searched);
        // It may begin in the last bytes and end behind them.
        self.searched = data.len().saturating_sub(MAX_DELIMITER);
        delimiter.find_in(&data[from..]).map(|at| from + at)
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

    fn give_out(&self, extent: Extent, stream: &mut Stream) -> Turn<S> {
        let Extent { len, header, lengths } = extent;
        stream.came_out(len, lengths, !self.behind_junk);
        let timestamp = self.head.timestamp().map(str::to_owned);
        let frame = Frame { jpeg: Bytes::new(), header, timestamp, stamp: self.stamp };
        Turn::between(len).telling(Event::Frame(frame))
    }

    fn lose(&self, damage: Damage, resume: Resume, stream: &mut Stream) -> Turn<S> {
        stream.lost(damage);
        let turn = match resume {
            Resume::After(count) if self.delimited => Turn::enter(count, Place::Skip(Skip::lost())),
            Resume::At(count) | Resume::After(count) => Turn::between(count),
        };
        turn.telling(Event::Damaged(damage))
    }
}

/// Whether the part ends where `after` begins, or nearly.
fn part_ends_soon(after: &[u8], delimiter: &Delimiter) -> Found {
    let follows = delimiter.follows(after);
    if follows != Found::No || delimiter.text().is_none() {
        return follows;
    }
    let starts = 1..=SLACK.min(after.len());
    starts.map(|at| delimiter.follows(&after[at..])).fold(Found::No, Found::or)
}

/// Whether bytes are padding and nothing else: a line of dashes or a start of image may begin what follows it.
fn is_plain(padding: &[u8]) -> bool {
    memmem::find(padding, b"\n--").is_none() && memmem::find(padding, &jpeg::START).is_none()
}

/// Bytes that may stand behind a picture and be neither its own nor a line end. Chosen: some cameras add one or a few;
/// what follows a thumbnail is longer.
const SLACK: usize = 16;
