//! What an existing Asterisk needs before it can be administered: its main configuration files, read as Asterisk reads them, and
//! the smallest edits that prepare them.
//!
//! Everything here is about text that somebody else wrote: nothing of it is moved, reformatted or re-encoded, and an edit touches
//! whole lines, by their number. Whoever owns the files reads and writes them; here it is decided what should be in them.

mod conflicts;
mod directories;
mod edit;
mod include;
mod manager;
mod mask;
mod read;

pub use conflicts::{Finding, Own, conflicts, sip_sections};
pub use directories::Directories;
pub use edit::{Edit, apply};
pub use include::{added_to, included, main_file, target};
pub use manager::{Manager, ManagerUser, NeededUser, READ, WRITE, missing_classes};
pub use mask::masked;
pub use read::{Entry, Find, Line, Place, Section, Text, Tree, What};
