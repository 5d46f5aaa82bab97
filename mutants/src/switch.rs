//! Which mutant is switched on, and which were reached. A copy of the engine has this as its module `switch`.
//!
//! Workers are executed anew without an environment, in namespaces of their own: all processes of a sandbox find the same
//! file, before they can have lost sight of it, and map it. It begins with the number of the mutant that is switched on,
//! and has one byte for each mutant, which is 1 when that was reached.

use std::fs::OpenOptions;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering::Relaxed};

/// Where the file is. ci/sandbox has this folder for itself.
pub const FILE: &str = "/dev/shm/verify-mutants";

/// The bytes before those of the mutants.
pub const HEAD: usize = 4;

static ON: AtomicU32 = AtomicU32::new(0);
static REACHED: AtomicUsize = AtomicUsize::new(0);

/// Whether this is the mutant to try.
///
/// This neither allocates nor makes a system call: it may stand between fork and exec.
pub fn switched(number: u32) -> bool {
    let reached = REACHED.load(Relaxed);
    if reached != 0 {
        // SAFETY: the file has a byte for each mutant, and nobody unmaps it.
        let byte = unsafe { &*((reached + HEAD + number as usize) as *const AtomicU8) };
        byte.store(1, Relaxed);
    }
    ON.load(Relaxed) == number
}

/// Before main: the first call may come where the file is out of sight, in a new root directory.
#[used]
#[unsafe(link_section = ".init_array")]
static AT_FIRST: extern "C" fn() = at_first;

extern "C" fn at_first() {
    ON.store(begin(), Relaxed);
}

/// Maps the file and closes it again, as no program may inherit it. Without it nothing is switched on.
fn begin() -> u32 {
    let Ok(file) = OpenOptions::new().read(true).write(true).open(FILE) else {
        return 0;
    };
    let size = file
        .metadata()
        .map_or(0, |metadata| metadata.len() as usize);
    let access = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a new mapping of all of an open file.
    let mapped = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            size,
            access,
            libc::MAP_SHARED,
            file.as_raw_fd(),
            0,
        )
    };
    if mapped == libc::MAP_FAILED {
        return 0;
    }
    REACHED.store(mapped as usize, Relaxed);
    // SAFETY: the mapping is aligned to a page and begins with this number.
    unsafe { (*(mapped as *const AtomicU32)).load(Relaxed) }
}
