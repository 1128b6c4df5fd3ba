//! Which slot a descriptor number belongs to.
//!
//! The kernel gives the lowest number that is free, so they lie close together: a table, and since some may lie far off, in pages.

use std::os::fd::RawFd;

const PAGE: usize = 1024;
const NOBODY: u32 = u32::MAX;

#[derive(Default)]
pub struct Owners {
    pages: Vec<Option<Box<[u32; PAGE]>>>,
}

impl Owners {
    /// The slot that has `fd`.
    pub fn get(&self, fd: RawFd) -> Option<u32> {
        let (page, at) = place(fd)?;
        let slot = self.pages.get(page)?.as_ref()?[at];
        (slot != NOBODY).then_some(slot)
    }

    /// Gives `fd`, which is not negative, to `slot`; returns the one that had it.
    pub fn insert(&mut self, fd: RawFd, slot: u32) -> Option<u32> {
        let (page, at) = place(fd)?;
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        let page = self.pages[page].get_or_insert_with(|| Box::new([NOBODY; PAGE]));
        let before = std::mem::replace(&mut page[at], slot);
        (before != NOBODY).then_some(before)
    }

    /// Nobody has `fd` any more.
    pub fn remove(&mut self, fd: RawFd) {
        let Some((page, at)) = place(fd) else { return };
        if let Some(Some(page)) = self.pages.get_mut(page) {
            page[at] = NOBODY;
        }
    }
}

fn place(fd: RawFd) -> Option<(usize, usize)> {
    let fd = usize::try_from(fd).ok()?;
    Some((fd / PAGE, fd % PAGE))
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_map(steps in prop::collection::vec((any::<bool>(), -2..5000_i32, 0..9_u32), 0..200)) {
            let (mut owners, mut model) = (Owners::default(), HashMap::new());
            for (insert, fd, slot) in steps {
                if insert && fd >= 0 {
                    prop_assert_eq!(owners.insert(fd, slot), model.insert(fd, slot));
                } else {
                    owners.remove(fd);
                    model.remove(&fd);
                }
                prop_assert_eq!(owners.get(fd), model.get(&fd).copied());
            }
            for fd in -2..5000 {
                prop_assert_eq!(owners.get(fd), model.get(&fd).copied());
            }
        }
    }

    #[test]
    fn a_number_far_off_takes_a_page() {
        let mut owners = Owners::default();
        owners.insert(1 << 20, 7);
        assert_eq!(owners.get(1 << 20), Some(7));
        assert_eq!(owners.pages.iter().flatten().count(), 1);
    }
}
