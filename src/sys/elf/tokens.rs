//! The words in search paths that a loader replaces: "Dynamic string tokens" of ld.so(8).

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

/// A word that a loader replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token {
    /// The folder of the object that has the path.
    Origin,
    /// The folder's name for libraries, such as `lib64`.
    Lib,
    /// The processor's name, such as `x86_64`.
    Platform,
}

/// Replaces `$TOKEN` and `${TOKEN}`; another `$` stays as it is. None when a token has no value.
pub(super) fn substitute<'a>(
    path: &[u8],
    value: impl Fn(Token) -> Option<&'a OsStr>,
) -> Option<PathBuf> {
    let mut parts = path.split(|byte| *byte == b'$');
    let mut result = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match token(part) {
            Some((token, rest)) => {
                result.extend_from_slice(value(token)?.as_bytes());
                result.extend_from_slice(rest);
            }
            None => {
                result.push(b'$');
                result.extend_from_slice(part);
            }
        }
    }
    Some(OsString::from_vec(result).into())
}

/// The token at the start of what follows a `$`, and what follows the token.
fn token(text: &[u8]) -> Option<(Token, &[u8])> {
    const TOKENS: [(&[u8], Token); 3] = [
        (b"ORIGIN", Token::Origin),
        (b"LIB", Token::Lib),
        (b"PLATFORM", Token::Platform),
    ];
    let (text, closing): (_, &[u8]) = match text.strip_prefix(b"{") {
        Some(text) => (text, b"}"),
        None => (text, b""),
    };
    TOKENS.iter().find_map(|(name, token)| {
        let rest = text.strip_prefix(*name)?.strip_prefix(closing)?;
        let goes_on = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let is_longer = closing.is_empty() && rest.first().is_some_and(goes_on);
        (!is_longer).then_some((*token, rest))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn substituted(path: &str) -> Option<String> {
        let value = |token| match token {
            Token::Origin => Some(OsStr::new("/opt/bin")),
            Token::Lib => Some(OsStr::new("lib64")),
            Token::Platform => None,
        };
        let path = substitute(path.as_bytes(), value)?;
        Some(path.display().to_string())
    }

    #[test]
    fn replaces_tokens_as_the_loader_does() {
        for (path, expected) in [
            ("$ORIGIN", "/opt/bin"),
            ("$ORIGIN/../$LIB", "/opt/bin/../lib64"),
            ("${ORIGIN}x${LIB}", "/opt/binxlib64"),
            ("/a/$ORIGIN$LIB", "/a//opt/binlib64"),
            ("$ORIGINAL", "$ORIGINAL"),
            ("$LIB_", "$LIB_"),
            ("${LIB", "${LIB"),
            ("${LIBx}", "${LIBx}"),
            ("$HOME/lib$", "$HOME/lib$"),
            ("$$LIB", "$lib64"),
        ] {
            assert_eq!(substituted(path).as_deref(), Some(expected), "{path}");
        }
        assert_eq!(substituted("/lib/$PLATFORM"), None);
        assert_eq!(substituted("/lib/$ORIGIN/${PLATFORM}"), None);
    }
}
