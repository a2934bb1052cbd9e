//! `pbxctl`: declares what a telephone system should be, and has pbxd make it so.

fn main() -> std::process::ExitCode {
    pbxctl::main()
}
