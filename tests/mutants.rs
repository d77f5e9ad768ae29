//! Model files changed at random, from a fixed seed: refused with the file's name, or applied to every row.
//!
//! `STREAMREG_MUTANTS=20000 cargo test --test integration mutants` tries as many.

use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray};
use serde_json::Value;
use streamreg::{Interval, Model, Regression, Solver};

use crate::util::Dir;

fn rows() -> RecordBatch {
    let n = 60;
    let columns: [(&str, ArrayRef); 3] = [
        ("y", Arc::new((0..n).map(|i| f64::from(i % 7) + 0.5 * f64::from(i)).collect::<Float64Array>())),
        ("x", Arc::new((0..n).map(|i| f64::from(i * i % 11)).collect::<Float64Array>())),
        ("g", Arc::new((0..n).map(|i| Some(["a", "b", "c"][i as usize % 3])).collect::<StringArray>())),
    ];
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Model files: of an exact fit, and of a hashed one.
fn models(dir: &Dir) -> [Value; 2] {
    let fit = |name: &str, request: Regression| {
        let report = request.fit(&[rows()]).unwrap();
        report.model().unwrap().save(dir.path(name)).unwrap();
        serde_json::from_str(&dir.read(name)).unwrap()
    };
    let plain = fit("plain.json", Regression::formula("y ~ g + poly(x, 2)"));
    let hashed = Regression::formula("y ~ x + g").hash_bits(4).solver(Solver::Cg);
    [plain, fit("hashed.json", hashed)]
}

/// SplitMix64 (Steele, Lea & Flood 2014).
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % bound.max(1) as u64) as usize
    }

    /// Changes something inside: a value, or what an object or array has.
    fn change(&mut self, value: &mut Value) {
        let inside = match value {
            Value::Array(items) => items.len(),
            Value::Object(fields) => fields.len(),
            _ => 0,
        };
        if inside == 0 || self.below(8) == 0 {
            return self.replace(value);
        }
        let at = self.below(inside);
        match value {
            Value::Array(items) => self.change(&mut items[at]),
            Value::Object(fields) => fields.values_mut().nth(at).into_iter().for_each(|v| self.change(v)),
            _ => {}
        }
    }

    fn replace(&mut self, value: &mut Value) {
        let numbers = [0.0, -1.0, 1.0, 3.0, 1e9, 67_108_863.0, 4_294_967_295.0, 1e300, 0.5];
        *value = match (self.below(7), value.take()) {
            (0, Value::Array(mut items)) if !items.is_empty() => {
                let at = self.below(items.len());
                if self.below(2) == 0 {
                    items.push(items[at].clone())
                } else {
                    drop(items.remove(at))
                }
                Value::Array(items)
            }
            (0..=2, Value::Object(mut fields)) => {
                let name = fields.keys().nth(self.below(fields.len())).cloned();
                name.and_then(|name| fields.remove(&name));
                Value::Object(fields)
            }
            (0..=3, Value::Number(_)) => match self.below(2) {
                0 => Value::from(numbers[self.below(numbers.len())]),
                _ => Value::from(numbers[self.below(numbers.len())] as u64),
            },
            (0..=3, Value::String(text)) => {
                Value::from(format!("{text}{}", ["", "x", "\0", "é"][self.below(4)]))
            }
            (4, other) => Value::Array(vec![other]),
            (5, _) => Value::Null,
            (_, Value::Bool(truth)) => Value::Bool(!truth),
            (_, _) => Value::from(self.below(300)),
        };
    }
}

#[test]
fn changed_model_files_are_refused_or_predict() {
    let count = std::env::var("STREAMREG_MUTANTS").map_or(400, |count| count.parse::<usize>().unwrap() / 2);
    let dir = Dir::new();
    let batch = rows();
    for (seed, sound) in (1..).zip(models(&dir)) {
        let mut chance = Chance(seed);
        for i in 0..count {
            let mut mutant = sound.clone();
            (0..=chance.below(2)).for_each(|_| chance.change(&mut mutant));
            let mut text = serde_json::to_vec(&mutant).unwrap();
            if chance.below(10) == 0 {
                text.truncate(chance.below(text.len()));
            }
            let name = format!("mutant-{seed}-{i}.json");
            let path = dir.write(&name, &text);
            match Model::load(&path) {
                Err(error) => assert!(error.to_string().contains(&name), "{error}"),
                Ok(model) => {
                    for interval in [None, Some((Interval::Confidence, 0.9))] {
                        if let Ok(prediction) = model.predict_interval(&batch, interval) {
                            assert_eq!(prediction.fit.len(), batch.num_rows(), "{name}");
                        }
                    }
                }
            }
            std::fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn coefficients_of_hashes_belong_to_the_model() {
    let dir = Dir::new();
    let [plain, hashed] = models(&dir);
    let load = |model: &Value| Model::load(dir.write("m.json", serde_json::to_vec(model).unwrap()));
    load(&plain).unwrap();
    load(&hashed).unwrap();
    let refused = |model: &Value, what: &str| {
        let error = load(model).err().unwrap().to_string();
        assert!(error.contains("m.json") && error.contains(what), "{error}");
    };
    let mut missing = hashed.clone();
    missing["wide"] = Value::Null;
    refused(&missing, "are missing");
    let mut far = hashed.clone();
    // 16 slots have the numbers 0 to 15.
    far["wide"]["hashed"] = serde_json::json!({"at": [3, 16], "values": [1.0, 2.0]});
    refused(&far, "are not those of the model");
    far["wide"]["hashed"] = serde_json::json!({"at": [3, 3], "values": [1.0, 2.0]});
    refused(&far, "are not those of the model");
    let mut other = plain.clone();
    other["wide"] = serde_json::json!({"lists": {"at": [4_000_000_000u32], "values": [1.0]}, "hashed": {"at": [], "values": []}});
    refused(&other, "are not those of the model");
}
