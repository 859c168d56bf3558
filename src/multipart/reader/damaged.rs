//! What is done about a picture in which the walk has found damage: where the next one may begin.

use memchr::{memmem, memrchr};

use super::{
    Lengths, Place, Reader,
    picture::{Resume, Verdict},
};
use crate::{
    jpeg::{self, Damage, Walk},
    multipart::{
        delimiter::Found,
        head::{Line, MAX_DELIMITER, begins_head},
    },
};

impl<S: Copy> Reader<S> {
    /// The walk had to search for markers before it found an end: whether damage led it into another picture.
    pub(super) fn strayed(&self, end: usize) -> Option<Verdict> {
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
    pub(super) fn picture_inside(&self, data: &[u8]) -> Option<usize> {
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

    /// Where the delimiter stands before `at`, where the walk has failed for good.
    pub(super) fn delimiter_before(&mut self, at: usize) -> Option<usize> {
        let Place::Picture(picture) = &mut self.place else { return None };
        let (delimiter, data) = (&self.delimiter, self.buffer.data());
        *picture.delimiter_before.get_or_insert_with(|| delimiter.find_in(&data[..at]))
    }

    /// The walk has found what no picture has, and that tells enough whatever its length says.
    pub(super) fn judge_early_damage(&mut self, at: usize, damage: Damage) -> Option<Verdict> {
        let before = self.delimiter_before(at);
        let Place::Picture(picture) = &mut self.place else { return None };
        if !picture.walk.has_segments() {
            if damage == Damage::StartInside && at == jpeg::START.len() - 1 {
                // A start that comes twice: nothing of a picture stands before the second.
                return Some(Verdict::Restart(at));
            }
            // A broken first segment is that of a picture, which may have a thumbnail.
            let is_none = matches!(damage, Damage::StartInside | Damage::NoScan | Damage::NoFrameHeader);
            if picture.delimited && is_none {
                return Some(self.judge_junk(damage));
            }
        }
        if damage == Damage::StartInside && picture.walk.is_clean() && before.is_none() {
            // It does not stand in a segment, as thumbnails do: this is the next picture.
            return Some(Verdict::Damaged(damage, Resume::At(at)));
        }
        let length = picture.length.filter(|length| *length > at)?;
        if self.lengths != Lengths::Right || before.is_some() {
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

    /// A start that no segment follows is junk that looks like one, if another comes in its part. If none does, it is all
    /// that is left of a picture.
    fn judge_junk(&mut self, damage: Damage) -> Verdict {
        let Place::Picture(picture) = &mut self.place else { return Verdict::More };
        let all = self.buffer.data();
        let data = &all[..all.len().min(self.limits.max_frame)];
        let from = picture.searched.max(jpeg::START.len());
        let rest = data.get(from..).unwrap_or_default();
        let start = memmem::find(rest, &jpeg::START);
        let delimiter = self.delimiter.find_in(&rest[..start.unwrap_or(rest.len())]);
        let end = delimiter.or(start);
        let mut at = from;
        for line in rest[..end.unwrap_or(rest.len())].split_inclusive(|byte| *byte == b'\n') {
            let whole = line.ends_with(b"\n") || end.is_some();
            let first = at == jpeg::START.len() || data[at - 1] == b'\n';
            if whole && first && line.len() <= MAX_HEAD_LINE && is_head(line) {
                return Verdict::Damaged(damage, Resume::At(at));
            }
            at += line.len();
        }
        match (delimiter, start) {
            (Some(at), _) => Verdict::Damaged(damage, Resume::At(from + at)),
            (None, Some(at)) => Verdict::Restart(from + at),
            (None, None) if all.len() > data.len() => Verdict::Damaged(Damage::TooLarge, Resume::After(data.len())),
            (None, None) => {
                // What begins in the last line may be a head, and in the last bytes a delimiter.
                let line = memrchr(b'\n', data).map_or(0, |at| at + 1);
                let line = if data.len() - line > MAX_HEAD_LINE { data.len() } else { line };
                picture.searched = line.min(data.len().saturating_sub(MAX_DELIMITER));
                Verdict::More
            }
        }
    }

    /// The walk has found what no picture has.
    pub(super) fn judge_damage(&mut self, at: usize, damage: Damage) -> Verdict {
        let before = self.delimiter_before(at);
        let Place::Picture(picture) = &self.place else { return Verdict::More };
        if before.is_none() && picture.length.is_some() && self.lengths == Lengths::Right {
            // The lengths were right so far: see what stands where this one ends.
            return Verdict::More;
        }
        self.damaged(damage, at)
    }

    /// The verdict on a picture that shows damage at `at`.
    pub(super) fn damaged(&self, damage: Damage, at: usize) -> Verdict {
        let data = self.buffer.data();
        let resume = match self.delimiter.find_in(&data[..at]) {
            Some(delimiter) => Resume::At(delimiter),
            None if damage != Damage::TooLarge && self.damaged_in_a_row < MAX_RETRIES => Resume::After(2),
            None => Resume::After(at.max(2)),
        };
        Verdict::Damaged(damage, resume)
    }
}

fn is_head(line: &[u8]) -> bool {
    matches!(Line::of(line), Line::Field(field) if begins_head(field))
}

/// The verdict on a picture whose part ended before the walk did.
pub(super) fn cut_short(part: &[u8]) -> Verdict {
    let damage = jpeg::check(part).err().unwrap_or(Damage::Truncated);
    Verdict::Damaged(damage, Resume::At(part.len()))
}

/// Bytes by which a picture, or the rest of one, may be longer than two of those before it. Chosen: pictures grow by as
/// much when the light goes on.
pub(super) const LONGER: usize = 64 * 1024;

/// Longest line that is looked at as the head that follows junk, in bytes. Chosen: far longer than a type or a length is.
const MAX_HEAD_LINE: usize = 1024;

/// Damaged pictures in a row after which the search for the next goes on behind the damage, not behind the start, and
/// starts tried inside one picture: a hostile stream of nested starts would otherwise make the walk go over the same
/// bytes again and again.
const MAX_RETRIES: usize = 16;
