//! pbxd: keeps the desired state of an Asterisk system, and makes Asterisk match it.

use std::process::ExitCode;

/// A plan of thousands of objects is made of millions of small pieces, on one thread and freed on another: this allocator makes them
/// faster than the system's, and gives their memory back.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // Its memory is in small pieces all over: to clear huge pages for them takes longer than to make a plan. Where it cannot be said, it
    // goes without.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    pbxd::main()
}
