//! The cameras that share a server.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

use super::{Camera, Mount};
use crate::sync::lock;

/// The cameras of a server, each under its mount.
#[derive(Default)]
pub(super) struct Cameras(Mutex<BTreeMap<Mount, Arc<Camera>>>);

/// Another camera is served there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken;

/// What a path leads to.
pub(super) struct Found<'a> {
    pub(super) mount: Mount,
    pub(super) camera: Arc<Camera>,
    /// What follows the mount in the path.
    pub(super) rest: &'a str,
}

impl Cameras {
    pub(super) fn add(&self, mount: Mount, camera: Arc<Camera>) -> Result<(), Taken> {
        let mut cameras = lock(&self.0);
        if cameras.contains_key(&mount) {
            return Err(Taken);
        }
        cameras.insert(mount, camera);
        Ok(())
    }

    pub(super) fn remove(&self, mount: &Mount) -> Option<Arc<Camera>> {
        lock(&self.0).remove(mount)
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).is_empty()
    }

    /// All of them, in the order of their mounts.
    pub(super) fn all(&self) -> Vec<(Mount, Arc<Camera>)> {
        lock(&self.0).iter().map(|(mount, camera)| (mount.clone(), camera.clone())).collect()
    }

    /// The camera whose mount is the longest beginning of this path.
    pub(super) fn find<'a>(&self, path: &'a str) -> Option<Found<'a>> {
        let cameras = lock(&self.0);
        let below = cameras.iter().filter_map(|(mount, camera)| Some((mount, camera, mount.rest(path)?)));
        let (mount, camera, rest) = below.min_by_key(|(.., rest)| rest.len())?;
        Some(Found { mount: mount.clone(), camera: camera.clone(), rest })
    }
}
