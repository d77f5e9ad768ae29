//! Numbers that come out wrong where digits are lost on the way: the smallest cases, with values from exact integer
//! cross-products and R 4.2 (`lm`, `sandwich`).

use crate::util::{Dir, close, number};

/// A CSV file of a header and rows separated by ` / `.
fn file(dir: &Dir, header: &str, rows: &str) {
    dir.write("d.csv", format!("{header}\n{}\n", rows.replace(" / ", "\n")));
}

/// The interval of a row of `d.csv`, as the model of a fit has it.
fn interval(dir: &Dir, fit: &str, row: usize) -> [f64; 2] {
    dir.streamreg(&format!("fit d.csv {fit} --save-model m.json -q")).success();
    let rows = dir.streamreg("predict m.json d.csv --interval confidence").success().csv();
    [1, 2].map(|column| rows[row][column].parse().unwrap())
}

#[test]
fn intervals_keep_the_digits_of_the_root() {
    let dir = Dir::new();
    file(
        &dir,
        "y,x,z",
        "3,100,100.0000003 / 5,101,101.0000001 / 4,102,102.0000004 / 7,103,103.0000002 / 6,104,104.0000005 / \
         9,105,105.0000001 / 8,106,106.0000003 / 9,107,107.0000002",
    );
    let [low, high] = interval(&dir, "-t y", 8);
    close("low", low, 8.62541, 1e-6);
    close("high", high, 10.59164, 1e-6);
    let seconds = [3, 5, 4, 6, 5, 8, 6, 7, 9, 8, 9, 12].into_iter().enumerate();
    let row = |(i, y): (usize, i32)| format!("{y},{},2024-03-01T10:00:{:02}", ["a", "b"][i % 2], 5 * i);
    file(&dir, "y,g,t", &seconds.map(row).collect::<Vec<_>>().join(" / "));
    let [low, high] = interval(&dir, "'y ~ 0 + g + t'", 2);
    close("low", low, 3.303, 2e-4);
    close("high", high, 5.887, 2e-4);
    // Powers are the same model as orthogonal polynomials, which lose nothing.
    let rows: Vec<String> = (0..=100).map(|i| format!("{},{i}", i * i % 17)).collect();
    file(&dir, "y,t", &rows.join(" / "));
    for row in [1, 50, 101] {
        let raw = interval(&dir, "'y ~ poly(t, 12, raw=TRUE)'", row);
        let orthogonal = interval(&dir, "'y ~ poly(t, 12)'", row);
        (0..2).for_each(|end| close("end", raw[end], orthogonal[end], 1e-7));
    }
}

#[test]
fn intervals_with_few_digits_are_named() {
    let dir = Dir::new();
    // Far outside, the columns no longer cancel as they did: what the root lost there shows.
    let rows: Vec<String> = (0..=100).map(|i| format!("{},{i}", i * i % 17)).collect();
    file(&dir, "y,t", &rows.join(" / "));
    dir.streamreg("fit d.csv 'y ~ poly(t, 16, raw=TRUE)' --save-model m.json -q").success();
    let outcome = dir.streamreg("predict m.json d.csv --interval confidence").run().code(0);
    outcome.check(outcome.stderr.contains("few correct digits"), "the warning");
}

#[test]
fn frequencies_may_sum_to_more_than_64_bits() {
    let dir = Dir::new();
    let rows = [(1, 2), (2, 4), (4, 5), (3, 1), (5, 7)].map(|(y, x)| format!("{y},{x},4611686018427387904"));
    file(&dir, "y,x,w", &rows.join(" / "));
    let line = "d.csv -t y -f x --weights w --weight-type frequency";
    let text = dir.streamreg(&format!("fit {line} --format json")).success().stdout;
    assert!(text.contains("\"nobs\": 23058430092136939520,"), "{text}");
    assert!(text.contains("\"df_residual\": 23058430092136939518,"), "{text}");
    close("sigma", number(&dir.fit(line), "glance/sigma"), 0.968_812, 1e-5);
}

#[test]
fn the_rank_is_at_most_the_number_of_rows() {
    let dir = Dir::new();
    file(&dir, "y,x,z", "6,5000,6 / 2,100,3 / 1,1,6 / 2,0,7 / 0,4,8 / 9,300,4");
    let report = dir.fit("d.csv 'y ~ poly(x,5)*z'");
    assert_eq!(number(&report, "rank"), 6.0);
    close("intercept", number(&report, "coefficients/0/estimate"), 10.0 / 3.0, 1e-7);
    close("poly[5]", number(&report, "coefficients/5/estimate"), -0.376_852, 1e-5);
    assert!(number(&report, "accuracy/digits_arithmetic") < 6.0, "no more digits are claimed than there are");
    file(&dir, "y,x,z", "1,1,6 / 5,1,6 / 2,3,9 / 4,3,9 / 3,9,1 / 9,9,1 / 6,11,4 / 7,11,4");
    let report = dir.fit("d.csv 'y ~ poly(x,2)*poly(z,2)'");
    assert_eq!(number(&report, "rank"), 4.0);
    close("intercept", number(&report, "coefficients/0/estimate"), 4.625, 1e-12);
    file(&dir, "y,a,b,c,d", "1,1.5,2.25,7.1,1 / 2,0.3,1.1,2.2,9 / 4,2.9,0.7,1.3,4 / 3,1.1,3.9,5.7,2");
    for way in ["exact", "float", "float --solver qr", "float --solver svd"] {
        assert_eq!(number(&dir.fit(&format!("d.csv -t y --precision {way}")), "rank"), 4.0, "{way}");
    }
}

#[test]
fn a_column_that_is_constant_but_for_rounding_is_set_aside() {
    let dir = Dir::new();
    file(
        &dir,
        "y,x,k",
        "1,1,.3 / 5,2,.30000000000000004 / 2,3,.3 / 4,5,.3 / 3,7,.30000000000000004 / 9,11,.3 / 6,13,.3 / 7,14,.3",
    );
    for precision in ["exact", "float"] {
        let report = dir.fit(&format!("d.csv -t y --precision {precision}"));
        close("x", number(&report, "coefficients/1/estimate"), 0.406_593, 1e-5);
        close("p", number(&report, "coefficients/1/p_value"), 0.023_382, 1e-4);
        assert_eq!(report["aliased"][0]["term"], "k");
    }
    let text = dir.streamreg("fit d.csv -t y").success();
    text.check(text.stdout.contains("Dependent: k is constant (0.3)\n"), "nothing but the constant");
    // Whole numbers are meant, however far from zero they lie.
    let rows: Vec<String> = (0..9i64).map(|i| format!("{},{}", i * i % 7, (1i64 << 52) + i)).collect();
    file(&dir, "y,x", &rows.join(" / "));
    assert_eq!(number(&dir.fit("d.csv -t y"), "rank"), 2.0);
}

#[test]
fn a_relation_is_all_there_or_not_at_all() {
    let dir = Dir::new();
    file(
        &dir,
        "y,x,z",
        "1,3000.1,1 / 5,3000.1,2 / 2,3000.1000000000004,3 / 4,3000.1,4 / 3,3000.1,5 / 9,3000.1000000000004,6 / \
         6,3000.1,8 / 7,3000.1,9",
    );
    let text = dir.streamreg("fit d.csv 'y ~ x*z'").success();
    text.check(text.stdout.contains("Dependent: x:z = 3000.1 z\n"), "no constant of a part that is left out");
}

#[test]
fn sums_of_squares_without_an_intercept_do_not_cancel() {
    let dir = Dir::new();
    file(
        &dir,
        "y,x,z",
        "120004.3,100007,99998.7 / 120001,100000.4,100001.7 / 119998.3,99998.8,99998.5 / 119997.7,99997.5,99999 / \
         119998.5,99997.3,100000.8 / 119994.4,99990.4,100002.4 / 119998.7,99997.8,100000.5 / \
         119999.3,100000.2,99998.3",
    );
    close("mse", number(&dir.fit("d.csv -t y --no-intercept --ridge 1"), "glance/mse"), 0.002_569_1, 1e-5);
}

#[test]
fn robust_variances_that_are_rounding_are_none() {
    let dir = Dir::new();
    file(
        &dir,
        "y,x,g,c",
        "1.3,1000.1,a,1 / 2.1,1001.7,a,1 / 1.7,1003.2,a,1 / 3.9,1004.4,a,1 / 2.2,1000.9,b,2 / 2.6,1002.3,b,2 / \
         3.3,1003.1,b,3 / 2.9,1005.8,b,3 / 4.1,1006.6,b,4",
    );
    let report = dir.fit("d.csv 'y ~ x*g' --cluster c");
    // All of the first level are one cluster, and its scores sum to nothing.
    for (term, known) in [(0, false), (1, false), (2, true), (3, true)] {
        assert_eq!(report["coefficients"][term]["std_error"].is_number(), known, "{report:#}");
    }
}

#[test]
fn messages_name_the_cause() {
    let dir = Dir::new();
    file(&dir, "y,x,w", "1,1,1e-300 / 2,3,1e-300 / 4,2,2e-300");
    dir.streamreg("fit d.csv -t y -f x --weights w --weight-type analytic")
        .fails(3, &["rescale the weights"]);
    file(&dir, "y,x,a,b", "1,0,1,1 / 2,0,2,1 / 4,0,1,2 / 5,0,3,2");
    let text = dir.streamreg("fit d.csv 'y ~ x + 0' --cluster a,b").success();
    text.check(text.stdout.contains("Dependent: x = 0\n"), "no column is left, and that is all");
}

/// Where a row has nearly all leverage, what `1 - h` is known to decides: no fit claims more digits than its standard error has.
#[test]
fn robust_errors_claim_no_more_than_leverages_leave() {
    let (dir, golden) = (Dir::new(), crate::util::golden_json("leverage/expected.json"));
    let mut warned = 0;
    for case in golden["cases"].as_array().unwrap() {
        let cell = |name: &str, row: usize| case[name][row].as_f64().unwrap();
        let rows: Vec<String> =
            (0..6).map(|row| format!("{:?},{:?}", cell("y", row), cell("x", row))).collect();
        file(&dir, "y,x", &rows.join(" / "));
        for kind in ["hc2", "hc3"] {
            let out =
                dir.streamreg(&format!("fit d.csv 'y ~ x' --vcov {kind} --format json")).run().code(0).json();
            let (own, wanted) = (number(&out, "coefficients/1/std_error"), case[kind].as_f64().unwrap());
            let digits = -((own - wanted).abs() / wanted).max(1e-17).log10();
            let own = out["warnings"].as_array().unwrap().iter().find(|w| w["code"] == "near_full_leverage");
            let claimed = own.map_or(6.0, |warning| {
                let text = warning["message"].as_str().unwrap();
                let word = text.split("as few as ").nth(1).unwrap().split(' ').next().unwrap();
                word.parse().unwrap()
            });
            warned += usize::from(own.is_some());
            assert!(
                digits >= claimed,
                "{kind}, 1 - h = {}: {digits:.1} digits, {claimed} claimed",
                case["left"]
            );
            assert!(own.is_none() || number(case, "left") < 1e-3, "{out}");
        }
    }
    assert!(warned >= 4, "{warned} warnings");
}
