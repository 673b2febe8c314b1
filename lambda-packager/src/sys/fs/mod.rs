//! The only module that uses files: reading, stamping, hashing, and replacing them atomically.

mod own;
mod random;
mod read;
mod replace;
mod stamp;
mod temporary;

pub use own::{
    allow_execution, append, create, create_private, is_inside, leads_out, open_for_writing, open_lock_file, read_own,
    read_private, refuse_to_leave,
};
pub use random::random;
pub use read::{
    canonical, free_bytes, is_dir, is_file, lstat, names_in, open, raw_names_in, read, read_if_exists, read_link,
    read_start, sha_of_file, size_of_tree, stat, typed_names_in, utf8,
};
pub use replace::{Staged, create_dirs, remove_tree, replace, replace_by_link, replace_cache};
pub use stamp::{Stamp, now_ns, time_of};
pub use temporary::{clock_in, is_writable, remove_dead_temporaries};
