//! `nft`: packet filters.

use serde::{Deserialize, Serialize};

use super::Verb;
use crate::line::{LineError, Word, Words};
use crate::recording::{Failure, Output};
use crate::session::Session;
use crate::sys::netlink::nftables::{BaseChain, Change, Family, Hook, Nftables, Policy, Table};

/// Looks at and changes the packet filters of the network namespace that the step is performed in. nft(8)
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Nft {
    /// Makes a table.
    AddTable(Table),
    /// Makes a chain with a policy.
    AddChain(BaseChain),
    /// Prints the tables.
    ListTables,
    /// Prints the chains that have a hook, in their tables.
    ListChains,
}

/// The priority that nft(8) calls `filter`: `NF_IP_PRI_FILTER`.
const FILTER: i32 = 0;

impl Verb for Nft {
    const USAGE: &'static str = "nft add table ip|ip6|inet NAME | list tables | list chains \
        | add chain ip|ip6|inet TABLE NAME \
        '{ type filter hook input|forward|output priority NUMBER ; policy accept|drop ; }'";
    const SUMMARY: &'static str = "Show and change packet filters";

    fn parse(words: &mut Words<'_>) -> Result<Self, LineError> {
        match words.keyword(&["add", "list"])? {
            "add" => match words.keyword(&["table", "chain"])? {
                "table" => table(words).map(Self::AddTable),
                _ => chain(words).map(Self::AddChain),
            },
            _ => match words.keyword(&["tables", "chains"])? {
                "tables" => Ok(Self::ListTables),
                _ => Ok(Self::ListChains),
            },
        }
    }

    fn prints(&self) -> bool {
        matches!(self, Self::ListTables | Self::ListChains)
    }

    fn perform(&self, _session: &mut Session) -> Result<Output, Failure> {
        let mut nftables = Nftables::open()?;
        let change = match self {
            Self::AddTable(table) => Change::AddTable(table.clone()),
            Self::AddChain(chain) => Change::AddChain(chain.clone()),
            Self::ListTables => {
                let tables = nftables.tables()?;
                return Ok(Output::lines(tables.iter().map(heading)));
            }
            Self::ListChains => {
                let (tables, chains) = (nftables.tables()?, nftables.base_chains()?);
                return Ok(Output::lines(listing(&tables, &chains)));
            }
        };
        nftables.commit(&[change])?;
        Ok(Output::nothing())
    }
}

fn table(words: &mut Words<'_>) -> Result<Table, LineError> {
    let family = words.keyword(&Family::ALL.map(Family::name))?;
    Ok(Table {
        family: named(&Family::ALL, Family::name, family),
        name: identifier(words, "the name of a table")?,
    })
}

fn chain(words: &mut Words<'_>) -> Result<BaseChain, LineError> {
    let table = table(words)?;
    let name = identifier(words, "the name of a chain")?;
    let braces = words.word("'{ type filter hook … }'")?;
    let tokens = tokens(braces);
    let mut inner = Words::new(&tokens, braces.span.end.saturating_sub(1));
    for keyword in ["{", "type", "filter", "hook"] {
        inner.keyword(&[keyword])?;
    }
    let hook = inner.keyword(&Hook::ALL.map(Hook::name))?;
    inner.keyword(&["priority"])?;
    let priority = if inner.take("filter") {
        FILTER
    } else {
        inner.value("a number or `filter`")?
    };
    for keyword in [";", "policy"] {
        inner.keyword(&[keyword])?;
    }
    let policy = inner.keyword(&Policy::ALL.map(Policy::name))?;
    for keyword in [";", "}"] {
        inner.keyword(&[keyword])?;
    }
    inner.end()?;
    Ok(BaseChain {
        table,
        name,
        hook: named(&Hook::ALL, Hook::name, hook),
        priority,
        policy: named(&Policy::ALL, Policy::name, policy),
    })
}

/// The one of that name, which is one of them.
fn named<T: Copy>(all: &[T], name: fn(T) -> &'static str, wanted: &str) -> T {
    let found = all.iter().find(|one| name(**one) == wanted);
    *found.unwrap_or(&all[0])
}

/// A name as nft(8) takes it without quotes, in its section on lexical conventions.
fn identifier(words: &mut Words<'_>, what: &str) -> Result<String, LineError> {
    let word = words.word(what)?;
    let letter = word.text.starts_with(|c: char| c.is_ascii_alphabetic());
    let rest = |c: char| c.is_ascii_alphanumeric() || "/_.".contains(c);
    if letter && word.text.chars().all(rest) {
        return Ok(word.text.clone());
    }
    let message = format!("`{}` is no name for nft", word.text);
    Err(LineError::new(word.span.clone(), message).expected("expected letters and digits"))
}

/// The words of a quoted word, each with its own place in the line; `;` is one wherever it stands.
fn tokens(word: &Word) -> Vec<Word> {
    let start = word.span.start + usize::from(word.quoted);
    let mut tokens: Vec<Word> = Vec::new();
    let mut open = false;
    for (offset, character) in word.text.chars().enumerate() {
        let at = start + offset;
        let single = character == ';';
        match tokens.last_mut() {
            Some(last) if open && !single && character != ' ' => {
                last.text.push(character);
                last.span.end = at + 1;
            }
            _ if character != ' ' => tokens.push(Word {
                text: character.to_string(),
                span: at..at + 1,
                quoted: false,
            }),
            _ => {}
        }
        open = !single && character != ' ';
    }
    tokens
}

/// `table ip filter`.
fn heading(table: &Table) -> String {
    format!("table {} {}", table.family.name(), table.name)
}

/// The tables and chains as nft(8) lists them.
fn listing(tables: &[Table], chains: &[BaseChain]) -> Vec<String> {
    let mut lines = Vec::new();
    for table in tables {
        lines.push(format!("{} {{", heading(table)));
        for chain in chains.iter().filter(|chain| chain.table == *table) {
            let priority = match chain.priority {
                FILTER => "filter".to_owned(),
                other => other.to_string(),
            };
            let (hook, policy) = (chain.hook.name(), chain.policy.name());
            lines.push(format!("\tchain {} {{", chain.name));
            lines.push(format!(
                "\t\ttype filter hook {hook} priority {priority}; policy {policy};"
            ));
            lines.push("\t}".to_owned());
        }
        lines.push("}".to_owned());
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::super::tests::parse;
    use super::*;

    const CHAIN: &str =
        "add chain ip filter out '{ type filter hook output priority 0 ; policy drop ; }'";

    #[test]
    fn a_chain_is_written_and_listed_as_nft_does() {
        let Ok(Nft::AddChain(chain)) = parse(CHAIN) else {
            panic!("{:?}", parse::<Nft>(CHAIN));
        };
        assert_eq!((chain.hook, chain.policy), (Hook::Output, Policy::Drop));
        let dense = CHAIN
            .replace(" ;", ";")
            .replace("priority 0", "priority filter");
        assert_eq!(parse(&dense), Ok(Nft::AddChain(chain.clone())));
        assert_eq!(
            listing(
                std::slice::from_ref(&chain.table),
                std::slice::from_ref(&chain)
            ),
            [
                "table ip filter {",
                "\tchain out {",
                "\t\ttype filter hook output priority filter; policy drop;",
                "\t}",
                "}",
            ]
        );
    }

    #[test]
    fn tables_and_chains_are_listed_each_by_its_word() {
        assert_eq!(parse("list tables"), Ok(Nft::ListTables));
        assert_eq!(parse("list chains"), Ok(Nft::ListChains));
    }

    #[test]
    fn points_at_the_word_inside_the_quotes() {
        for (right, wrong) in [
            ("output", "outptu"),
            ("0", "zero"),
            ("drop", "drip"),
            ("filter hook", "nat hook"),
        ] {
            let line = CHAIN.replace(right, wrong);
            let error = parse::<Nft>(&line).unwrap_err();
            let word = wrong.split(' ').next().unwrap();
            assert_eq!(&line[error.span.clone()], word, "{line}: {error:?}");
        }
        let line = CHAIN.replace(" ; }", " }");
        let error = parse::<Nft>(&line).unwrap_err();
        assert_eq!(
            (&line[error.span], error.expected.as_str()),
            ("}", "expected `;`")
        );
        for (line, word) in [
            ("add table arp x", "arp"),
            ("add table ip 1x", "1x"),
            ("list ruleset", "ruleset"),
            ("list tables x", "x"),
        ] {
            let error = parse::<Nft>(line).unwrap_err();
            assert_eq!(&line[error.span.clone()], word, "{error:?}");
        }
    }
}
