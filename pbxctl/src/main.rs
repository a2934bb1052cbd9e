//! `pbxctl`: declares what a telephone system should be, and has pbxd make it so.

/// Manifests of thousands of objects are read as millions of small pieces: this allocator makes them faster than the system's.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    pbxctl::main()
}
