use std::error::Error;
use std::fmt::Write as _;

/// The error and its causes in one line, outermost first. Called once, where an error leaves the program.
pub fn error_chain(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let _ = write!(text, ": {cause}");
        source = cause.source();
    }
    text
}
