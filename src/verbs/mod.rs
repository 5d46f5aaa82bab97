//! The verbs, one file each: grammar, action, what it prints, its command by hand.
//!
//! To add one, write its file with a type that is a [`Verb`], and name it in both lists below.

pub mod a_out;
pub mod b_out;
pub mod cat;
pub mod cd;
pub mod cgexec;
pub mod chown;
pub mod chroot;
pub mod connect;
pub mod cp;
pub mod df;
pub mod domainname;
pub mod echo;
pub mod grep;
pub mod hog;
pub mod hostname;
pub mod id;
pub mod ip;
pub mod ldd;
pub mod listen;
pub mod ls;
pub mod mkdir;
pub mod mknod;
pub mod mount;
pub mod nft;
pub mod ping;
pub mod ps;
pub mod pwd;
pub mod readlink;
pub mod rm;
pub mod rmdir;
pub mod run;
pub mod setpriv;
pub mod stat;
pub mod top;
pub mod tree;
pub mod umount;
pub mod uname;
pub mod unshare;

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::line::{LineError, Word, Words};
use crate::measure::Tolerance;
use crate::recording::{Failure, Output};
use crate::session::{Flow, Inside, Session};

/// What a line of a session does.
pub trait Verb: Sized {
    /// The grammar in the manner of a man page: `mkdir [-p] DIRECTORY…`.
    const USAGE: &'static str;
    /// One sentence.
    const SUMMARY: &'static str;
    /// Whether a real shell understands the same line, so that it can be typed below `chroot … SHELL`.
    const TYPED: bool = false;

    /// Reads the words behind the verb's name.
    ///
    /// # Errors
    /// The words are not in its grammar.
    fn parse(words: &mut Words<'_>) -> Result<Self, LineError>;

    /// Whether it prints. A spec must have a step that does.
    fn prints(&self) -> bool {
        false
    }

    /// Whether it measures CPU time, so that no other experiment may measure at the same time.
    fn measures_cpu(&self) -> bool {
        false
    }

    /// The band of what it measures.
    fn band(&mut self) -> Option<&mut dyn Tolerance> {
        None
    }

    /// Whether it takes steps `inside`.
    fn opens(&self) -> bool {
        false
    }

    /// Does it.
    ///
    /// # Errors
    /// The kernel's answer.
    fn perform(&self, session: &mut Session) -> Result<Output, Failure>;

    /// Does it and has `inside` performed where it leads to.
    ///
    /// # Errors
    /// The kernel's answer on the way in.
    fn enter(&self, session: &mut Session, _inside: Inside<'_>) -> Result<Flow, Failure> {
        self.perform(session).map(|_| Flow::Continue)
    }

    /// The line as a person types it on a host, when that is not `line` itself.
    fn by_hand(&self, line: &str) -> String {
        line.to_owned()
    }
}

/// What the verbs' help says.
#[derive(Debug, Clone, Copy)]
pub struct About {
    /// Its name.
    pub name: &'static str,
    /// [`Verb::USAGE`].
    pub usage: &'static str,
    /// [`Verb::SUMMARY`].
    pub summary: &'static str,
}

macro_rules! verbs {
    ($($name:literal => $module:ident :: $verb:ident),* $(,)?) => {
        /// A verb with its arguments: what a step does.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub enum Action {
            $(
                #[doc = concat!("`", $name, "`")]
                #[serde(rename = $name)]
                $verb($module::$verb),
            )*
        }

        /// Every verb.
        pub const VERBS: &[About] = &[$(About {
            name: $name,
            usage: <$module::$verb as Verb>::USAGE,
            summary: <$module::$verb as Verb>::SUMMARY,
        }),*];

        impl Action {
            /// Reads the words behind the verb `name`; `None` where there is no such verb.
            pub fn parse(name: &str, words: &mut Words<'_>) -> Option<Result<Self, LineError>> {
                match name {
                    $($name => Some(whole(words).map(Self::$verb)),)*
                    _ => None,
                }
            }

            /// The verb's name.
            #[must_use]
            pub fn name(&self) -> &'static str {
                match self { $(Self::$verb(_) => $name,)* }
            }

            /// The verb's [`Verb::USAGE`].
            #[must_use]
            pub fn usage(&self) -> &'static str {
                match self { $(Self::$verb(_) => <$module::$verb as Verb>::USAGE,)* }
            }

            /// [`Verb::TYPED`]
            #[must_use]
            pub fn typed(&self) -> bool {
                match self { $(Self::$verb(_) => <$module::$verb as Verb>::TYPED,)* }
            }

            /// [`Verb::prints`]
            #[must_use]
            pub fn prints(&self) -> bool {
                match self { $(Self::$verb(verb) => verb.prints(),)* }
            }

            /// [`Verb::measures_cpu`]
            #[must_use]
            pub fn measures_cpu(&self) -> bool {
                match self { $(Self::$verb(verb) => verb.measures_cpu(),)* }
            }

            /// [`Verb::band`]
            pub fn band(&mut self) -> Option<&mut dyn Tolerance> {
                match self { $(Self::$verb(verb) => verb.band(),)* }
            }

            /// [`Verb::opens`]
            #[must_use]
            pub fn opens(&self) -> bool {
                match self { $(Self::$verb(verb) => verb.opens(),)* }
            }

            /// [`Verb::perform`]
            ///
            /// # Errors
            /// The kernel's answer.
            pub fn perform(&self, session: &mut Session) -> Result<Output, Failure> {
                match self { $(Self::$verb(verb) => verb.perform(session),)* }
            }

            /// [`Verb::enter`]
            ///
            /// # Errors
            /// The kernel's answer on the way in.
            pub fn enter(&self, session: &mut Session, inside: Inside<'_>) -> Result<Flow, Failure> {
                match self { $(Self::$verb(verb) => verb.enter(session, inside),)* }
            }

            /// [`Verb::by_hand`]
            #[must_use]
            pub fn by_hand(&self, line: &str) -> String {
                match self { $(Self::$verb(verb) => verb.by_hand(line),)* }
            }
        }
    };
}

verbs! {
    "a.out" => a_out::AOut,
    "b.out" => b_out::BOut,
    "cat" => cat::Cat,
    "cd" => cd::Cd,
    "cgexec" => cgexec::Cgexec,
    "chown" => chown::Chown,
    "chroot" => chroot::Chroot,
    "connect" => connect::Connect,
    "cp" => cp::Cp,
    "df" => df::Df,
    "domainname" => domainname::Domainname,
    "echo" => echo::Echo,
    "grep" => grep::Grep,
    "hog" => hog::Hog,
    "hostname" => hostname::Hostname,
    "id" => id::Id,
    "ip" => ip::Ip,
    "ldd" => ldd::Ldd,
    "listen" => listen::Listen,
    "ls" => ls::Ls,
    "mkdir" => mkdir::Mkdir,
    "mknod" => mknod::Mknod,
    "mount" => mount::Mount,
    "nft" => nft::Nft,
    "ping" => ping::Ping,
    "ps" => ps::Ps,
    "pwd" => pwd::Pwd,
    "readlink" => readlink::Readlink,
    "rm" => rm::Rm,
    "rmdir" => rmdir::Rmdir,
    "run" => run::Run,
    "setpriv" => setpriv::Setpriv,
    "stat" => stat::Stat,
    "top" => top::Top,
    "tree" => tree::Tree,
    "umount" => umount::Umount,
    "uname" => uname::Uname,
    "unshare" => unshare::Unshare,
}

fn whole<V: Verb>(words: &mut Words<'_>) -> Result<V, LineError> {
    let verb = V::parse(words)?;
    words.end()?;
    Ok(verb)
}

/// The names of all verbs.
pub fn names() -> impl Iterator<Item = &'static str> {
    VERBS.iter().map(|about| about.name)
}

/// Reads a verb's name and its words: for verbs that run another one.
///
/// # Errors
/// There is no such verb, or the words are not in its grammar.
pub fn nested(words: &mut Words<'_>) -> Result<Box<Action>, LineError> {
    let word = words.word("a verb")?;
    Action::parse(&word.text, words)
        .map_or_else(|| Err(unknown(word)), |action| action.map(Box::new))
}

fn unknown(word: &Word) -> LineError {
    LineError::new(word.span.clone(), format!("unknown verb `{}`", word.text))
        .near(&word.text, names())
}

thread_local! {
    /// The grammars that were used already: building one takes longer than reading a line by it.
    static GRAMMARS: RefCell<HashMap<TypeId, clap::Command>> = RefCell::default();
}

/// Reads the words by the options and arguments that `T` declares.
///
/// # Errors
/// An unknown option, a missing or superfluous argument, or a value that its type refuses.
pub fn options<T: clap::Args + 'static>(words: &mut Words<'_>) -> Result<T, LineError> {
    let end = words.clone();
    let words = words.rest();
    let texts = words.iter().map(|word| word.text.as_str());
    let matches = GRAMMARS.with_borrow_mut(|grammars| {
        let grammar = grammars.entry(TypeId::of::<T>()).or_insert_with(|| {
            T::augment_args(clap::Command::new("verb"))
                .no_binary_name(true)
                .disable_help_flag(true)
        });
        grammar.try_get_matches_from_mut(texts)
    });
    matches
        .and_then(|matches| T::from_arg_matches(&matches))
        .map_err(|error| option_error(&error, words, &end))
}

fn option_error(error: &clap::Error, words: &[Word], end: &Words<'_>) -> LineError {
    use clap::error::{ContextKind, ContextValue, ErrorKind};
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        Some(ContextValue::Strings(texts)) => texts.first().cloned(),
        _ => None,
    };
    let argument = context(ContextKind::InvalidArg).unwrap_or_default();
    let value = context(ContextKind::InvalidValue);
    let wrong = value
        .as_deref()
        .filter(|value| !value.is_empty())
        .unwrap_or(&argument);
    let found = words
        .iter()
        .find(|word| word.text == *wrong || word.text.starts_with(&format!("{wrong}=")));
    let at = |fallback: &Words<'_>| {
        found.map_or_else(|| fallback.clone().here(), |word| word.span.clone())
    };
    let mut past = end.clone();
    past.rest();
    match error.kind() {
        ErrorKind::UnknownArgument if !wrong.starts_with('-') => {
            LineError::new(at(end), format!("`{wrong}` is one word too many"))
        }
        ErrorKind::UnknownArgument => {
            let mut unknown = LineError::new(at(end), format!("unknown option `{wrong}`"));
            unknown.nearest = context(ContextKind::SuggestedArg);
            unknown
        }
        ErrorKind::MissingRequiredArgument => {
            LineError::new(past.here(), "the line ends too early")
                .expected(format!("expected {argument}"))
        }
        ErrorKind::ArgumentConflict => {
            LineError::new(at(end), format!("`{argument}` cannot stand here"))
        }
        _ => {
            let reason = std::error::Error::source(error)
                .map_or_else(|| error.kind().to_string(), ToString::to_string);
            LineError::new(at(end), format!("`{wrong}`: {reason}"))
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
