//! Inputs that went wrong: real examples with a few changes each, for the unit tests of all that reads what others wrote.
//! Both packages compile this file into their tests.

use std::cell::RefCell;
use std::time::{SystemTime, UNIX_EPOCH};

use proptest::collection::vec;
use proptest::num::u64::ANY;
use proptest::test_runner::{Config, RngSeed, TestRunner};
use serde_json::{Value, json};

/// One change: what is done, where, and with which number.
type Change = (u64, u64, u64);

/// Calls `read` with damaged `examples`: some thousand, and a million with all cases. It must neither panic nor hang.
/// Examples that are JSON are also changed as such: values of other types, huge numbers, long texts, deep nesting.
#[allow(clippy::disallowed_methods)] // The doors are the crates' own; this is in both.
pub fn each(examples: &[Vec<u8>], read: impl Fn(&[u8])) {
    let is_full = std::env::var("PACKAGER_TESTS").is_ok_and(|wanted| wanted == "full");
    let cases = if is_full { 1_000_000 } else { 1_000 };
    let mut config = Config { cases, failure_persistence: None, ..Config::default() };
    if config.rng_seed == RngSeed::Random {
        // With few cases they are always the same: whether a change passes is no matter of luck.
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
        config.rng_seed = RngSeed::Fixed(if is_full { u64::from(now.subsec_nanos()) } else { 1 });
    }
    let seed = config.rng_seed;
    let trees: Vec<Option<Value>> = examples.iter().map(|example| serde_json::from_slice(example).ok()).collect();
    let buffer = RefCell::new(Vec::new());
    // As many changes of the tree, and then of its text.
    let strategy = (ANY, vec((ANY, ANY, ANY), 0..4), vec((ANY, ANY, ANY), 0..4));
    let result = TestRunner::new(config).run(&strategy, |(which, of_tree, of_text)| {
        let which = below(which, examples.len());
        let mut bytes = buffer.borrow_mut();
        bytes.clear();
        match &trees[which] {
            Some(tree) if !of_tree.is_empty() => {
                let mut tree = tree.clone();
                of_tree.iter().for_each(|change| damage_tree(&mut tree, *change));
                serde_json::to_writer(&mut *bytes, &tree).unwrap();
            }
            _ => bytes.extend_from_slice(&examples[which]),
        }
        of_text.iter().for_each(|change| damage_bytes(&mut bytes, *change));
        read(&bytes);
        Ok(())
    });
    if let Err(e) = result {
        panic!("{e}\nPROPTEST_RNG_SEED={seed} brings the same cases again");
    }
}

fn below(number: u64, limit: usize) -> usize {
    (number % limit.max(1) as u64) as usize
}

fn damage_bytes(bytes: &mut Vec<u8>, (what, at, with): Change) {
    /// Where limits are.
    const NUMBERS: [u64; 12] =
        [0, 1, 2, 0x7f, 0xff, 0xffff, 0x7fff_ffff, 0xffff_ffff, 1 << 32, i64::MAX as u64, u64::MAX - 8, u64::MAX];
    const TEXTS: [&[u8]; 16] = [
        b"\0",
        b"\"",
        b"\\u0000",
        b"\\ud800",
        b"\xff\xfe",
        b"../",
        b"/",
        b"://",
        b"=\"",
        b"<",
        b">",
        b"-1",
        b"1e400",
        b"\r\n",
        b"[",
        b"{",
    ];
    let len = bytes.len();
    let at = below(at, len + 1);
    match what % 8 {
        0 if at < len => bytes[at] ^= 1 << (with % 8),
        1 if at < len => bytes[at] = with as u8,
        2 => bytes.truncate(at),
        // A field, such as those of headers.
        3 | 4 => {
            let width = [1, 2, 4, 8][below(with, 4)];
            let at = at / width * width;
            let value =
                if what % 8 == 3 { NUMBERS[below(with / 4, NUMBERS.len())] } else { with / 64 % (2 * len as u64 + 1) };
            if let Some(field) = bytes.get_mut(at..at + width) {
                field.copy_from_slice(&value.to_le_bytes()[..width]);
            }
        }
        5 => {
            let text = TEXTS[below(with, TEXTS.len())];
            let times = if with % 64 == 63 { 500 } else { 1 };
            bytes.splice(at..at, text.repeat(times));
        }
        // Another part of the same.
        6 if len > 0 => {
            let from = below(with, len);
            let part = bytes[from..len.min(from + below(with / 7, 200))].to_vec();
            let end = len.min(at + below(with / 11, 200));
            bytes.splice(at..end, part);
        }
        _ => drop(bytes.drain(at..len.min(at + below(with, 40)))),
    }
}

fn damage_tree(tree: &mut Value, (what, at, with): Change) {
    let count = count(tree);
    let node = nth(tree, &mut below(at, count)).expect("there are so many");
    match (what % 4, &mut *node) {
        (0, Value::Object(fields)) => {
            let key = fields.keys().nth(below(with, fields.len())).cloned();
            let value = key.and_then(|key| fields.remove(&key));
            fields.extend(value.filter(|_| with % 2 == 0).map(|value| (format!("k{with}"), value)));
        }
        (0, Value::Array(all)) if !all.is_empty() => {
            let item = all[below(with, all.len())].clone();
            all.extend(vec![item; below(with / 3, 20)]);
        }
        (1, Value::String(text)) => {
            let mut bytes = std::mem::take(text).into_bytes();
            damage_bytes(&mut bytes, (with, at / 3, with / 5));
            *text = String::from_utf8_lossy(&bytes).into_owned();
        }
        _ => *node = other(with),
    }
}

fn other(with: u64) -> Value {
    match with % 16 {
        0 => Value::Null,
        1 => json!(true),
        2 => json!(u64::MAX),
        3 => json!(i64::MIN),
        4 => json!(1e300),
        5 => json!(-1),
        6 => json!(with),
        7 => json!(""),
        8 => json!("x".repeat(2_000)),
        9 => json!("../../outside"),
        10 => json!("/etc/passwd"),
        11 => json!("a\u{0}b\u{202e}\u{1b}[31m"),
        12 => json!([]),
        13 => json!({}),
        14 => json!([with % 7, "sha256:", null, {"a": "b"}]),
        _ => (0..with / 16 % 200)
            .fold(json!(1), |inner, depth| if depth % 2 == 0 { json!([inner]) } else { json!({"a": inner}) }),
    }
}

fn children(value: &Value) -> Box<dyn Iterator<Item = &Value> + '_> {
    match value {
        Value::Array(all) => Box::new(all.iter()),
        Value::Object(fields) => Box::new(fields.values()),
        _ => Box::new(std::iter::empty()),
    }
}

fn count(value: &Value) -> usize {
    1 + children(value).map(count).sum::<usize>()
}

/// The value at this place, from the top.
fn nth<'a>(value: &'a mut Value, place: &mut usize) -> Option<&'a mut Value> {
    if *place == 0 {
        return Some(value);
    }
    *place -= 1;
    match value {
        Value::Array(all) => all.iter_mut().find_map(|item| nth(item, place)),
        Value::Object(fields) => fields.values_mut().find_map(|item| nth(item, place)),
        _ => None,
    }
}
