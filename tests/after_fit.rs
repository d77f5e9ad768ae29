//! What comes after a fit, against statsmodels, scikit-learn and R: `tests/golden/after_fit`.

use serde_json::Value;

use crate::util::{Dir, close, golden, golden_json};

fn expected() -> Value {
    golden_json("after_fit/expected.json")
}

fn text<'v>(case: &'v Value, key: &str) -> &'v str {
    case[key].as_str().unwrap_or("")
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// Fits a case and keeps the model as `m.json`.
fn fitted(dir: &Dir, case: &Value) {
    let line = format!("fit {} --save-model m.json {}", golden(text(case, "data")).display(), text(case, "options"));
    dir.streamreg(&line).arg("--formula").arg(text(case, "formula")).success();
}

#[test]
fn statistics_of_rows() {
    for case in expected()["augment"].as_array().unwrap() {
        let (dir, name) = (Dir::new(), text(case, "name"));
        fitted(&dir, case);
        let line = format!("predict m.json {} --columns all", golden(text(case, "data")).display());
        let out = dir.streamreg(&line).run().code(0);
        assert!(!out.stderr.contains("leverages sum"), "{name}: {}", out.stderr);
        let rows = out.csv();
        let chosen: Vec<usize> = match case["rows"].as_array() {
            Some(rows) => rows.iter().map(|r| r.as_u64().unwrap() as usize).collect(),
            None => (0..rows.len() - 1).collect(),
        };
        for (column, values) in case["values"].as_object().unwrap() {
            let at = rows[0].iter().position(|c| *c == format!(".{column}")).unwrap();
            let wanted = numbers(values);
            assert_eq!(wanted.len(), chosen.len(), "{name}");
            for (&row, wanted) in chosen.iter().zip(wanted) {
                let got: f64 = rows[row + 1][at].parse().unwrap();
                // Longley's residuals lose digits in statsmodels.
                let scale = if column.contains("resid") { wanted.abs().max(1e-2) } else { wanted };
                let off = (got - wanted).abs() / scale.abs();
                assert!(off < 1e-7, "{name}: .{column} of row {row}: {got}, not {wanted}");
            }
        }
    }
}

#[test]
fn statistics_of_rows_as_in_r() {
    let lines = crate::util::csv(&std::fs::read_to_string(golden("after_fit/r_longley.csv")).unwrap());
    for (prefix, options) in [("plain", ""), ("weighted", "--weights w --weight-type analytic")] {
        let dir = Dir::new();
        let data = golden("after_fit/longley.csv");
        let formula = "'totemp ~ gnpdefl + gnp + unemp + armed + pop + year'";
        dir.streamreg(&format!("fit {} {formula} {options} --save-model m.json", data.display())).success();
        let rows = dir.streamreg(&format!("predict m.json {} --columns all", data.display())).success().csv();
        for (at, column) in rows[0].iter().enumerate() {
            let theirs = lines[0].iter().position(|c| *c == format!("{prefix}{column}")).unwrap();
            for (row, line) in lines.iter().enumerate().skip(1) {
                let [got, wanted] = [&rows[row][at], &line[theirs]].map(|cell| cell.trim().parse::<f64>().unwrap());
                close(&format!("{prefix}{column} of row {row}"), got, wanted, 1e-9);
            }
        }
    }
}

#[test]
fn statistics_say_what_they_need() {
    let dir = Dir::new();
    dir.write("d.csv", "x,y,w\n1,2,1\n2,4,2\n3,4,1\n4,5,3\n5,6,1\n");
    dir.write("new.csv", "x,z\n1,a\n,b\n7,c\n");
    dir.streamreg("fit d.csv 'y ~ x' --save-model m.json").success();
    // Fitted values need nothing else, and null stays null.
    let rows = dir.streamreg("predict m.json new.csv --columns fitted,se --keep '*' --quiet").success().csv();
    assert_eq!(rows[0], ["x", "z", ".fitted", ".se.fit"]);
    assert_eq!(rows[2], ["", "b", "", ""]);
    dir.streamreg("predict m.json new.csv --columns resid").fails(3, &["\"y\"", "rows with the response of the fit"]);
    dir.streamreg("predict m.json new.csv --columns residual").fails(2, &["none of fitted", "(or se, all)"]);
    dir.streamreg("predict m.json new.csv --columns fitted,fitted").fails(2, &["two output columns", ".fitted"]);
    // Other rows than those of the fit.
    dir.write("other.csv", "x,y\n1,2\n7,3\n");
    let out = dir.streamreg("predict m.json other.csv --columns hat").run().code(0);
    assert!(out.stderr.contains("not exactly the rows of the fit"), "{}", out.stderr);
    // A row without a response has a fitted value, and was none of the fit.
    dir.write("gap.csv", "x,y\n1,2\n2,\n3,4\n");
    let rows = dir.streamreg("predict m.json gap.csv --columns fitted,resid,hat --quiet").success().csv();
    assert!(rows[2][1].is_empty() && !rows[2][0].is_empty() && rows[2][2].is_empty(), "{rows:?}");
    // Weights, and models without a covariance.
    dir.streamreg("fit d.csv 'y ~ x' --weights w --weight-type analytic --save-model w.json").success();
    dir.streamreg("predict w.json gap.csv --columns hat").fails(3, &["\"w\"", "leverage needs its weights"]);
    dir.streamreg("predict w.json gap.csv --columns resid").success();
    dir.streamreg("fit d.csv 'y ~ x' --ridge 1 --save-model r.json").success();
    dir.streamreg("predict r.json d.csv --columns hat").fails(2, &["hat needs the covariance", "a penalty"]);
    dir.streamreg("predict r.json d.csv --columns resid,fitted").success();
    // Two rows that fit exactly leave no residual to divide.
    dir.write("line.csv", "x,y\n0,1\n1,2\n2,3\n");
    dir.streamreg("fit line.csv 'y ~ x' --save-model l.json").success();
    dir.streamreg("predict l.json line.csv --columns hat").fails(2, &["residuals of the fit are all 0"]);
}

#[test]
fn rows_of_leverage_one_have_no_studentised_residual() {
    let dir = Dir::new();
    dir.write("d.csv", "x,g,y\n1,a,2\n2,a,4\n3,a,4\n4,a,7\n5,b,6\n");
    dir.streamreg("fit d.csv 'y ~ x + g' --save-model m.json").success();
    let rows = dir.streamreg("predict m.json d.csv --columns hat,std.resid,cooksd,sigma").success().csv();
    close("hat", rows[5][0].parse().unwrap(), 1.0, 1e-12);
    assert_eq!(rows[5][1..], ["", "", ""], "R has NaN there");
}
