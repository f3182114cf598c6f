//! A moment of fuzzing on stable Rust: seeded mutations of bytes and of structure.

use schema_fhir::fuzz_entry;
use serde_json::Value;

const SEEDS: &[&str] = &[
    r##"{"resourceType":"Patient","id":"p","name":[{"use":"official","family":"É",
      "given":["A",null],
      "_given":[null,{"id":"x"}]}],"gender":"male","birthDate":"1980-02-03",
      "deceasedDateTime":"2020",
      "identifier":[{"system":"urn:a","value":"1"}],"telecom":[{"system":"phone","value":"5"}],
      "address":[{"line":["1"],"city":"T"}],"link":[{"other":{"reference":"Patient/2"},
      "type":"replaces"}],"contained":[{"resourceType":"Organization","id":"o","name":"O"}],
      "extension":[{"url":"http://x","valueDecimal":1.00}]}"##,
    r#"{"resourceType":"Observation","id":"o","status":"final","code":{"coding":[
      {"system":"http://loinc.org","code":"8867-4"}]},"subject":{"reference":"Patient/1"},
      "effectivePeriod":{"start":"2020-01-01T10:00:00.123+14:00","end":"2021"},"valueQuantity":
      {"value":7.2E1,"system":"http://unitsofmeasure.org","code":"/min"},"component":[{"code":
      {"text":"x"},"valueSampledData":{"origin":{"value":0},"period":10,"dimensions":1,
      "data":"1 2"}},{"code":{"text":"y"},"valueRange":{"low":{"value":1}}}]}"#,
    r#"{"resourceType":"Encounter","status":"finished","class":{"code":"IMP"},"period":{"start":
      "2020"},"location":[{"location":{"reference":"Location/1"},"period":{"end":"2021"}}]}"#,
    r#"{"resourceType":"Bundle","type":"transaction","entry":[{"fullUrl":"urn:uuid:a","resource":
      {"resourceType":"Patient","id":"a"},"request":{"method":"POST","url":"Patient"}},
      {"fullUrl":"http://x/Flag/1","resource":{"resourceType":"Flag","id":"1","status":"active",
      "subject":{"reference":"urn:uuid:a#b"},"author":{"reference":"Practitioner?identifier=1"}},
      "request":{"method":"PUT","url":"Flag/1","ifMatch":"W/\"1\""}},
      {"request":{"method":"DELETE","url":"Patient?x=1"}}]}"#,
    r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"Basic",
      "code":{"text":"x"}}}]}"#,
    "code=a|b,c\\,d&date=ge2020-01-01T10:00&_sort=-date&patient=Patient/1&name:exact=x&_count=5",
    r#"{"resourceType":"Parameters","parameter":[{"name":"x","resource":
      {"resourceType":"Patient"}}]}"#,
];

const TOKENS: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "\"",
    ":",
    ",",
    "null",
    "true",
    "-0",
    "1e999999999",
    "1E-400",
    "\\u0000",
    "\\ud800",
    "\"reference\":\"urn:uuid:a\",",
    "\"_id\":{},",
    "\"resourceType\":\"Bundle\",",
    "é",
    "\u{FEFF}",
    "9999-12-31T23:59:60-14:00",
    "0001-01-01T00:00:00+14:00",
    "&_offset=",
    "|",
    "\"$serde_json::private::Number\":\"1\",",
    "99999999999999999999999999999999",
];

/// xorshift64*: enough to choose mutations.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let wide = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(wide).unwrap() % bound.max(1)
    }
}

fn mutate_bytes(dice: &mut Dice, bytes: &mut Vec<u8>) {
    for _ in 0..=dice.below(4) {
        let at = dice.below(bytes.len() + 1);
        match dice.below(5) {
            0 => bytes.truncate(at),
            1 => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = u8::try_from(dice.below(256)).unwrap();
                }
            }
            2 => {
                let token = TOKENS[dice.below(TOKENS.len())].bytes();
                bytes.splice(at..at, token);
            }
            3 => {
                let end = (at + dice.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            _ => {
                let end = (at + dice.below(60)).min(bytes.len());
                let copy = bytes[at..end].to_vec();
                bytes.splice(at..at, copy);
            }
        }
    }
}

/// Swaps one value somewhere in the tree for a value from elsewhere.
fn mutate_tree(dice: &mut Dice, value: &mut Value, spare: &Value) {
    let pick = |dice: &mut Dice| match dice.below(8) {
        0 => Value::Null,
        1 => Value::Array(Vec::new()),
        2 => Value::Object(serde_json::Map::new()),
        3 => Value::from(""),
        4 => Value::from(dice.below(1_000_000)),
        5 => Value::from(TOKENS[dice.below(TOKENS.len())]),
        6 => Value::Array(vec![spare.clone()]),
        _ => spare.clone(),
    };
    let stop = dice.below(4) == 0;
    if let Value::Object(map) = value
        && !stop
        && !map.is_empty()
    {
        let at = dice.below(map.len());
        mutate_tree(dice, map.values_mut().nth(at).unwrap(), spare);
    } else if let Value::Array(items) = value
        && !stop
        && !items.is_empty()
    {
        let at = dice.below(items.len());
        mutate_tree(dice, &mut items[at], spare);
    } else {
        *value = pick(dice);
    }
}

#[test]
fn fuzz_smoke() {
    let mut dice = Dice(0x5EED_F41A);
    let trees: Vec<Value> =
        SEEDS.iter().filter_map(|seed| serde_json::from_str(seed).ok()).collect();
    let mut resources = 0;
    for round in 0..6_000 {
        let mut bytes = if round % 2 == 0 {
            SEEDS[dice.below(SEEDS.len())].as_bytes().to_vec()
        } else {
            let mut tree = trees[dice.below(trees.len())].clone();
            let spare = trees[dice.below(trees.len())].clone();
            for _ in 0..=dice.below(3) {
                mutate_tree(&mut dice, &mut tree, &spare);
            }
            tree.to_string().into_bytes()
        };
        if round % 4 < 2 {
            mutate_bytes(&mut dice, &mut bytes);
        }
        resources += usize::from(fuzz_entry(&bytes));
    }
    assert!(resources > 1_500, "{resources} mutants were still resources");
}

#[test]
fn deep_and_wide_input_ends_lim_1() {
    let deep = format!(r#"{{"resourceType":"Basic","a":{}{}"#, "[".repeat(200_000), "]");
    assert!(!fuzz_entry(deep.as_bytes()));
    let nested = format!("{}{}", r#"{"a":"#.repeat(100_000), "}".repeat(100_000));
    assert!(!fuzz_entry(nested.as_bytes()));
    let level = r#"{"resourceType":"Bundle","type":"collection","entry":[{"resource":"#;
    let bundles = format!("{}null{}", level.repeat(15), "}]}".repeat(15));
    assert!(fuzz_entry(bundles.as_bytes()));
    let wide = format!(r#"{{"resourceType":"Basic","a":[{}1]}}"#, "1,".repeat(100_000));
    assert!(fuzz_entry(wide.as_bytes()));
}
