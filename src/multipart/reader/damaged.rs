//! What is done about a picture in which the walk has found damage: where the next one may begin.

use memchr::{memmem, memrchr};

use super::{
    Lengths, Stream,
    picture::{Picture, Resume, Verdict},
};
use crate::{
    jpeg::{self, Damage, Walk},
    multipart::{
        delimiter::{Delimiter, Found},
        head::{Line, MAX_DELIMITER, begins_head},
    },
};

impl<S: Copy> Picture<S> {
    /// The walk had to search for markers before it found an end, that of `data`: whether damage led it into another
    /// picture.
    pub(super) fn strayed(&self, data: &[u8], delimiter: &Delimiter) -> Option<Verdict> {
        let resume = match (delimiter.find_in(data), picture_inside(data, delimiter)) {
            (Some(at), _) => Resume::At(at),
            // No delimiter came before it: a thumbnail.
            (None, Some(_)) if self.delimited => Resume::After(2),
            (None, Some(at)) => Resume::At(at),
            (None, None) => return None,
        };
        Some(Verdict::Damaged(Damage::StartInside, resume))
    }

    /// Where the delimiter stands before `at`, where the walk has failed for good.
    pub(super) fn delimiter_before(&mut self, at: usize, data: &[u8], delimiter: &Delimiter) -> Option<usize> {
        *self.delimiter_before.get_or_insert_with(|| delimiter.find_in(&data[..at]))
    }

    /// The walk has found what no picture has, and that tells enough whatever its length says.
    pub(super) fn judge_early_damage(
        &mut self,
        damage: Damage,
        at: usize,
        data: &[u8],
        stream: &mut Stream,
    ) -> Option<Verdict> {
        let before = self.delimiter_before(at, data, &stream.delimiter);
        if !self.walk.has_segments() {
            if damage == Damage::StartInside && at == jpeg::START.len() - 1 {
                // A start that comes twice: nothing of a picture stands before the second.
                return Some(Verdict::Restart(at));
            }
            // A broken first segment is that of a picture, which may have a thumbnail.
            let is_none = matches!(damage, Damage::StartInside | Damage::NoScan | Damage::NoFrameHeader);
            if self.delimited && is_none {
                return Some(self.judge_junk(damage, data, stream));
            }
        }
        if damage == Damage::StartInside && self.walk.is_clean() && before.is_none() {
            // It does not stand in a segment, as thumbnails do: this is the next picture.
            return Some(Verdict::Damaged(damage, Resume::At(at)));
        }
        let length = self.length.filter(|length| *length > at)?;
        if stream.lengths != Lengths::Right || before.is_some() {
            return None;
        }
        if length - at > 2 * stream.last_len + LONGER {
            // Waiting for its end would hold up those that follow, if it is the length that is damaged.
            self.distrust_length(stream);
            return None;
        }
        let end = self.find_end(&data[..data.len().min(length)], at, &stream.delimiter)?;
        Some(Verdict::Damaged(damage, Resume::At(end)))
    }

    /// A start that no segment follows is junk that looks like one, if another comes in its part. If none does, it is
    /// all that is left of a picture.
    fn judge_junk(&mut self, damage: Damage, data: &[u8], stream: &Stream) -> Verdict {
        let too_large = data.len() > stream.limits.max_frame;
        let data = &data[..data.len().min(stream.limits.max_frame)];
        let from = self.searched.max(jpeg::START.len());
        let rest = data.get(from..).unwrap_or_default();
        let start = memmem::find(rest, &jpeg::START);
        let delimiter = stream.delimiter.find_in(&rest[..start.unwrap_or(rest.len())]);
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
            (None, None) if too_large => Verdict::Damaged(Damage::TooLarge, Resume::After(data.len())),
            (None, None) => {
                // What begins in the last line may be a head, and in the last bytes a delimiter.
                let line = memrchr(b'\n', data).map_or(0, |at| at + 1);
                let line = if data.len() - line > MAX_HEAD_LINE { data.len() } else { line };
                self.searched = line.min(data.len().saturating_sub(MAX_DELIMITER));
                Verdict::More
            }
        }
    }

    /// The walk has found what no picture has.
    pub(super) fn judge_damage(&mut self, damage: Damage, at: usize, data: &[u8], stream: &Stream) -> Verdict {
        let before = self.delimiter_before(at, data, &stream.delimiter);
        if before.is_none() && self.length.is_some() && stream.lengths == Lengths::Right {
            // The lengths were right so far: see what stands where this one ends.
            return Verdict::More;
        }
        damaged(damage, at, data, stream)
    }
}

/// The verdict on a picture that shows damage at `at`.
pub(super) fn damaged(damage: Damage, at: usize, data: &[u8], stream: &Stream) -> Verdict {
    let resume = match stream.delimiter.find_in(&data[..at]) {
        Some(delimiter) => Resume::At(delimiter),
        None if damage != Damage::TooLarge && stream.damaged_in_a_row < MAX_RETRIES => Resume::After(2),
        None => Resume::After(at.max(2)),
    };
    Verdict::Damaged(damage, resume)
}

/// Where a whole picture begins in `data` that ends with it, or that goes on as a stream does after a picture: after
/// thumbnails it does not.
pub(super) fn picture_inside(data: &[u8], delimiter: &Delimiter) -> Option<usize> {
    let starts = memmem::find_iter(data, &jpeg::START).skip_while(|at| *at == 0).take(MAX_RETRIES);
    starts.into_iter().find(|start| {
        let mut walk = Walk::new();
        match walk.step(data, *start) {
            jpeg::Step::End(len) if walk.is_clean() => delimiter.or_picture_follows(&data[start + len..]) != Found::No,
            _ => false,
        }
    })
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

/// Longest line that is looked at as the head that follows junk, in bytes. Chosen: far longer than a type or a length
/// is.
const MAX_HEAD_LINE: usize = 1024;

/// Damaged pictures in a row after which the search for the next goes on behind the damage, not behind the start, and
/// starts tried inside one picture: a hostile stream of nested starts would otherwise make the walk go over the same
/// bytes again and again.
const MAX_RETRIES: usize = 16;
