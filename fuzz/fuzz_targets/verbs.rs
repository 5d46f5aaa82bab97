//! Any line is a step of its verb, or an error that points into it; and a step can be said by hand.
#![no_main]

use libfuzzer_sys::fuzz_target;
use verify::line::{Words, split};
use verify::verbs::Action;

fuzz_target!(|text: &str| {
    let (verb, line) = text.split_once(' ').unwrap_or((text, ""));
    let length = line.chars().count();
    let points_into =
        |span: &std::ops::Range<usize>| span.start <= span.end && span.end <= length + 1;
    match split(line) {
        Err(error) => assert!(points_into(&error.span), "{:?}", error.span),
        Ok(words) => match Action::parse(verb, &mut Words::new(&words, length)) {
            Some(Err(error)) => assert!(points_into(&error.span), "{:?}", error.span),
            Some(Ok(action)) => drop(action.by_hand(line)),
            None => {}
        },
    }
});
