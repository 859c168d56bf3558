//! What waits for the application's handlers, which may be slow.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
        mpsc,
    },
};

use crate::sync::lock;

/// Takes what there is to tell. Of each viewer both is told, that it came and that it left, or neither: who counts them
/// counts right, however much had to be left out.
pub(super) struct Post<T> {
    letters: mpsc::Sender<T>,
    waiting: Arc<AtomicUsize>,
    /// Viewers of whose coming there was no room to tell.
    untold: Mutex<HashSet<u64>>,
    most: usize,
}

/// The other end, which gets it in the order in which it was given. Ends when the post has gone.
pub(super) struct Delivery<T> {
    letters: mpsc::Receiver<T>,
    waiting: Arc<AtomicUsize>,
}

/// There was no room for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Full;

impl<T> Post<T> {
    /// One in which `most` may wait, and beyond them the leaving of those viewers whose coming was told.
    pub(super) fn new(most: usize) -> (Self, Delivery<T>) {
        let (sender, letters) = mpsc::channel();
        let waiting = Arc::<AtomicUsize>::default();
        let post = Self { letters: sender, waiting: waiting.clone(), untold: Mutex::default(), most };
        (post, Delivery { letters, waiting })
    }

    /// Tells that a viewer came.
    pub(super) fn came(&self, id: u64, letter: T) -> Result<(), Full> {
        self.tell(letter).inspect_err(|Full| {
            lock(&self.untold).insert(id);
        })
    }

    /// Tells that a viewer left, if its coming was told.
    pub(super) fn left(&self, id: u64, letter: T) {
        if !lock(&self.untold).remove(&id) {
            self.waiting.fetch_add(1, Ordering::Relaxed);
            self.send(letter);
        }
    }

    /// Tells of anything else.
    pub(super) fn tell(&self, letter: T) -> Result<(), Full> {
        let one_more = |count| (count < self.most).then_some(count + 1);
        self.waiting.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).map_err(|_| Full)?;
        self.send(letter);
        Ok(())
    }

    fn send(&self, letter: T) {
        // Without the element there is nobody to tell.
        let _ = self.letters.send(letter);
    }
}

impl<T> Iterator for Delivery<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        let letter = self.letters.recv().ok()?;
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(letter)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A handler that took 5 ms, and 4000 viewers that came and went: it was told of more that came than left.
    #[test]
    fn of_each_viewer_both_is_told_or_neither() {
        let (post, delivery) = Post::new(3);
        assert_eq!(post.came(1, "1 came"), Ok(()));
        assert_eq!(post.came(2, "2 came"), Ok(()));
        post.left(1, "1 left");
        assert_eq!(post.came(3, "3 came"), Err(Full));
        assert_eq!(post.tell("trouble"), Err(Full));
        post.left(2, "2 left");
        post.left(3, "3 left");
        drop(post);
        assert_eq!(delivery.collect::<Vec<_>>(), ["1 came", "2 came", "1 left", "2 left"]);
    }

    #[test]
    fn what_was_delivered_makes_room() {
        let (post, mut delivery) = Post::new(1);
        assert_eq!((post.came(1, "1 came"), post.came(2, "2 came")), (Ok(()), Err(Full)));
        assert_eq!(delivery.next(), Some("1 came"));
        assert_eq!(post.came(3, "3 came"), Ok(()));
    }
}
