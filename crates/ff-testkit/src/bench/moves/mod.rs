//! Hand-offs: of a large workspace beside `git clone` and `rsync`, of a small one, and how much
//! memory one takes.

mod desktop;
mod large;
mod memory;
mod small;
mod steps;

pub(super) use large::run as large;
pub(super) use memory::run as memory;
pub(super) use small::run as small;
