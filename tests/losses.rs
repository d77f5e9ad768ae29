//! Losses other than squares: against the minima and standard errors of others, and "converged" never above the truth.

use serde_json::Value;
use streamreg::{Descent, FitReport, LearningRate, Loss, Regression, Solver, Vcov};

use crate::util::{Dir, Random, Table, batch, close, column, estimates, golden_json, number, table, to_csv};

/// A data set of the golden values.
fn shipped(golden: &Value) -> Table {
    let names = golden["columns"].as_array().unwrap().iter().map(|n| n.as_str().unwrap().to_owned());
    let rows = golden["rows"].as_array().unwrap();
    let column = |j: usize| rows.iter().map(|row| row[j].as_f64().unwrap()).collect::<Vec<f64>>();
    names.enumerate().map(|(j, name)| (name, column(j))).collect()
}

fn list(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
}

fn std_errors(report: &FitReport) -> Vec<f64> {
    report.coefficients.iter().map(|c| c.std_error.unwrap()).collect()
}

fn all_close(what: &str, own: &[f64], wanted: &[f64], tolerance: f64) {
    assert_eq!(own.len(), wanted.len(), "{what}");
    own.iter().zip(wanted).for_each(|(own, wanted)| close(what, *own, *wanted, tolerance));
}

/// The fit to a table in memory.
fn fit(regression: &Regression, columns: &Table) -> FitReport {
    regression.fit(&[batch(columns)]).unwrap()
}

fn regression(loss: Loss) -> Regression {
    Regression::new("y").descent(Descent::new().loss(loss))
}

const QUANTILES: [f64; 4] = [0.05, 0.25, 0.5, 0.9];

#[test]
fn minima_and_standard_errors_of_others() {
    let golden = golden_json("iterative/losses.json");
    for name in ["stackloss", "engel", "longley"] {
        let (own, data) = (&golden[name], shipped(&golden[name]));
        for tau in QUANTILES {
            let wanted = &own[format!("quantile {tau}")];
            let what = format!("{name}, quantile {tau}");
            let iid = fit(&regression(Loss::Quantile { tau }), &data);
            let exact = iid.exact().unwrap();
            assert!(exact.converged && exact.gap < 1e-9, "{what}: {exact:?}");
            close(&what, exact.mean_loss, wanted["loss"].as_f64().unwrap(), 1e-9);
            all_close(&what, &estimates(&iid), &list(&wanted["coefficients"]), 1e-6);
            all_close(&format!("{what}, iid"), &std_errors(&iid), &list(&wanted["iid"]), 1e-5);
            close(&what, exact.bandwidth.unwrap(), wanted["bandwidth"].as_f64().unwrap(), 1e-6);
            let powell = regression(Loss::Quantile { tau }).vcov(Vcov::Hc1);
            let powell = fit(&powell, &data);
            all_close(&format!("{what}, ker"), &std_errors(&powell), &list(&wanted["ker"]), 1e-5);
        }
        let delta = number(own, "huber/delta");
        let what = format!("{name}, Huber");
        let h1 = fit(&regression(Loss::Huber { delta }), &data);
        close(&what, h1.exact().unwrap().mean_loss, number(own, "huber/loss"), 1e-12);
        all_close(&what, &estimates(&h1), &list(&own["huber"]["coefficients"]), 1e-7);
        all_close(&format!("{what}, H1"), &std_errors(&h1), &list(&own["huber"]["H1"]), 1e-7);
        let hc0 = fit(&regression(Loss::Huber { delta }).vcov(Vcov::Hc0), &data);
        all_close(&format!("{what}, hc0"), &std_errors(&hc0), &list(&own["huber"]["hc0"]), 1e-6);
        let (n, k) = (h1.glance.nobs as f64, h1.rank as f64);
        let hc1 = fit(&regression(Loss::Huber { delta }).vcov(Vcov::Hc1), &data);
        let factor = (n / (n - k)).sqrt();
        let scaled: Vec<f64> = std_errors(&hc0).iter().map(|se| se * factor).collect();
        all_close(&format!("{what}, hc1"), &std_errors(&hc1), &scaled, 1e-12);
        let epsilon = number(own, "epsilon-insensitive/epsilon");
        let insensitive = fit(&regression(Loss::EpsilonInsensitive { epsilon }), &data);
        let loss = insensitive.exact().unwrap().mean_loss;
        close(name, loss, number(own, "epsilon-insensitive/loss"), 1e-9);
    }
}

/// A response beside one feature.
struct Pairs {
    x: Vec<f64>,
    y: Vec<f64>,
}

impl Pairs {
    fn random(random: &mut Random, rows: usize) -> Self {
        let scale = 10f64.powi(random.below(6) as i32 - 2);
        let x: Vec<f64> = (0..rows).map(|_| scale * (3.0 + random.unit())).collect();
        let coarse = random.below(3) == 0;
        let y = x.iter().map(|x| {
            let tail = if random.below(8) == 0 { 10.0 } else { 1.0 };
            let y = 2.0 * x / scale + tail * random.unit();
            if coarse { (10.0 * y).round() / 10.0 } else { y }
        });
        let y = y.collect();
        Self { x, y }
    }

    fn table(&self) -> Table {
        vec![("x".into(), self.x.clone()), ("y".into(), self.y.clone())]
    }

    fn cost(&self, loss: Loss, intercept: f64, slope: f64) -> f64 {
        let rows = self.x.iter().zip(&self.y);
        rows.map(|(x, y)| loss.value(y - intercept - slope * x)).sum::<f64>() / self.y.len() as f64
    }

    /// The minimum: of kinks the best of all lines through two of them, else by Newton's method on the rows between the bends.
    fn least(&self, loss: Loss) -> f64 {
        let shifts: &[f64] = match loss {
            Loss::Squared | Loss::Huber { .. } => return self.least_smooth(loss),
            Loss::EpsilonInsensitive { epsilon } => &[-epsilon, epsilon],
            _ => &[0.0],
        };
        let kinks: Vec<(f64, f64)> =
            self.x.iter().zip(&self.y).flat_map(|(x, y)| shifts.iter().map(move |s| (*x, y + s))).collect();
        let mut least = f64::INFINITY;
        for (i, a) in kinks.iter().enumerate() {
            for b in &kinks[..i] {
                let slope = (a.1 - b.1) / (a.0 - b.0);
                if slope.is_finite() {
                    least = least.min(self.cost(loss, a.1 - slope * a.0, slope));
                }
            }
        }
        least
    }

    /// By weights that squares get where a bend makes them absolute, many times.
    fn least_smooth(&self, loss: Loss) -> f64 {
        let (mut intercept, mut slope) = (0.0, 0.0);
        for round in 0..20_000 {
            let weight = |r: f64| if round == 0 || r == 0.0 { 1.0 } else { loss.slope(r) / r };
            let mut sums = [0.0; 5];
            for (x, y) in self.x.iter().zip(&self.y) {
                let w = weight(y - intercept - slope * x);
                let more = [w, w * x, w * y, w * x * x, w * x * y];
                sums.iter_mut().zip(more).for_each(|(sum, more)| *sum += more);
            }
            let [w, x, y, xx, xy] = sums;
            let before = slope;
            slope = (w * xy - x * y) / (w * xx - x * x);
            intercept = (y - slope * x) / w;
            if (slope - before).abs() <= 1e-15 * slope.abs() {
                break;
            }
        }
        self.cost(loss, intercept, slope)
    }
}

fn losses(random: &mut Random) -> Vec<Loss> {
    let quantiles = QUANTILES.map(|tau| Loss::Quantile { tau });
    let others = [
        Loss::Huber { delta: 0.3 + 0.2 * random.unit() },
        Loss::EpsilonInsensitive { epsilon: 0.25 + 0.2 * random.unit() },
        Loss::Squared,
    ];
    quantiles.into_iter().chain(others).collect()
}

/// The excess over the minimum, as a share of it.
fn excess(data: &Pairs, loss: Loss, report: &FitReport, least: f64) -> f64 {
    let b = estimates(report);
    (data.cost(loss, b[0], b[1]) - least) / least.max(1e-9)
}

#[test]
fn converged_is_never_above_the_minimum() {
    let mut random = Random::new(15);
    for case in 0..20 {
        let rows = (6.0 * (200.0f64 / 6.0).powf(f64::from(case) / 19.0)).round() as usize;
        let data = Pairs::random(&mut random, rows);
        let rows_of = data.table();
        for loss in losses(&mut random) {
            let least = data.least(loss);
            if loss != Loss::Squared {
                let report = fit(&regression(loss), &rows_of);
                let excess = excess(&data, loss, &report, least);
                let what = format!("case {case}, {rows} rows, {loss:?}: {excess:e}");
                assert!(report.exact().unwrap().converged, "{what}");
                assert!((-1e-9..1e-9).contains(&excess), "{what}");
            }
            let steps = Descent::new().loss(loss);
            let by_default = fit(&Regression::new("y").solver(Solver::Sgd).descent(steps), &rows_of);
            assert!(by_default.descent().unwrap().converged, "case {case}, {rows} rows, {loss:?}");
            check(&data, loss, &by_default, least);
            for (solver, rate) in [
                (Solver::Gd, LearningRate::Auto),
                (Solver::Gd, LearningRate::Constant { eta0: 0.3 }),
                (Solver::Sgd, LearningRate::Constant { eta0: 0.1 }),
                (Solver::Sgd, LearningRate::InverseScaling { eta0: 0.3, power: 0.5 }),
                (Solver::Sgd, LearningRate::Adam { eta0: 0.05 }),
            ] {
                let steps = Descent::new().loss(loss).learning_rate(rate).epochs(60);
                let asked = Regression::new("y").solver(solver).descent(steps);
                check(&data, loss, &fit(&asked, &rows_of), least);
            }
        }
    }
}

/// What is said of a fit is true of it.
fn check(data: &Pairs, loss: Loss, report: &FitReport, least: f64) {
    let own = report.descent().unwrap();
    let excess = excess(data, loss, report, least);
    let what =
        format!("{} rows, {loss:?}, {:?}: {excess:e}, told {:e}", data.y.len(), own.learning_rate, own.gap);
    assert!(excess > -1e-9, "{what}");
    assert!(!own.converged || excess < 1e-4, "{what}");
    // The gap is that of the loss that was asked for.
    let share = excess / (1.0 + excess);
    assert!((own.gap - share).abs() <= 1e-6 + 1e-3 * share, "{what}");
}

#[test]
fn smallest_cases_that_went_wrong() {
    let rows = [
        (9.58, 19.0),
        (9.57, 20.0),
        (8.19, 16.0),
        (2.66, 7.0),
        (5.17, 8.0),
        (4.01, 8.0),
        (6.22, 9.0),
        (6.25, 2.0),
    ];
    let data = Pairs { x: rows.map(|r| r.1).to_vec(), y: rows.map(|r| r.0).to_vec() };
    let report = fit(&regression(Loss::Quantile { tau: 0.9 }), &data.table());
    all_close("quantile 0.9", &estimates(&report), &[5.858_0, 0.195_9], 1e-3);
    close("its loss", report.exact().unwrap().mean_loss, 0.158_12, 1e-4);
    // Steps stay within bounds where no row is near a kink.
    let rows = [(2.0, 6.0), (2.0, 4.0), (13.0, 6.0), (13.0, 2.0), (17.0, 1.0), (8.0, 6.0)];
    let data = Pairs { x: rows.map(|r| r.1).to_vec(), y: rows.map(|r| r.0).to_vec() };
    let loss = Loss::EpsilonInsensitive { epsilon: 0.1 };
    let steps = Descent::new().loss(loss);
    let report = fit(&Regression::new("y").solver(Solver::Gd).descent(steps), &data.table());
    check(&data, loss, &report, data.least(loss));
    assert!(report.descent().unwrap().step.unwrap() < 100.0);
}

#[test]
fn steps_are_not_asked_for_without_a_solver() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(60, 2, 4)));
    for option in [
        "--plot c.svg",
        "--trace t.jsonl",
        "--held-out 0.1",
        "--epochs 9",
        "--tol 1e-3",
        "--batch-size 8",
        "--start zero",
        "--learning-rate adam",
        "--patience 3",
        "--precondition scale",
    ] {
        let flag = option.split(' ').next().unwrap();
        for loss in ["", "--loss quantile", "--loss huber"] {
            let line = format!("fit d.csv -t y {loss} {option}");
            dir.streamreg(&line).fails(2, &[flag, "--solver", "sgd"]);
        }
    }
    dir.streamreg("fit d.csv -t y --loss quantile --seed 3").fails(2, &["--seed"]);
    assert_eq!(dir.files(), ["d.csv"]);
    for (options, words) in [
        ("--loss quantile --vcov hc3", "Powell's kernel"),
        ("--loss huber --vcov hc2", "H1"),
        ("--loss epsilon-insensitive --vcov iid", "no standard errors"),
        ("--loss quantile --ridge 1 --vcov iid", "penalised"),
        ("--loss quantile --precision exact", "float64"),
        ("--loss quantile --collinear error", "set aside"),
    ] {
        dir.streamreg(&format!("fit d.csv -t y {options}")).fails(2, &[words]);
    }
}

#[test]
fn a_fit_that_does_not_converge_says_so_once() {
    let dir = Dir::new();
    dir.write("d.csv", to_csv(&table(60, 2, 4)));
    let outcome = dir.streamreg("fit d.csv -t y --solver gd --loss quantile --epochs 4").run().code(5);
    let told = |text: &str| text.to_lowercase().matches("not converged").count();
    outcome.check(told(&outcome.stdout) == 1 && told(&outcome.stderr) == 1, "once on stdout, once on stderr");
}

#[test]
fn pictures_are_not_overwritten_by_what_never_began() {
    let dir = Dir::new();
    dir.write("d.csv", "y,x\n1,1\n2,2\n4,3\n3,5\n");
    dir.write("c.svg", "kept");
    dir.write("t.jsonl", "kept");
    let line = "fit d.csv -t y -f nowhere --solver sgd --plot c.svg --trace t.jsonl";
    dir.streamreg(line).run();
    dir.streamreg("fit d.csv -t y --solver sgd --epochs 1 --plot c.svg --trace t.jsonl").run();
    assert_eq!((dir.read("c.svg"), dir.read("t.jsonl")), ("kept".to_owned(), "kept".to_owned()));
}

#[test]
fn threads_and_cuts_change_no_bit() {
    let dir = Dir::new();
    let data = table(90_000, 3, 11);
    let properties = parquet::file::properties::WriterProperties::builder();
    let properties = properties.set_max_row_group_row_count(Some(7_001)).build();
    crate::util::write_parquet(&dir.path("d.parquet"), &batch(&data), properties);
    for loss in ["quantile", "huber", "epsilon-insensitive"] {
        let of = |threads: usize| {
            let line = format!("d.parquet -t y --loss {loss} --threads {threads}");
            column(&dir.fit(&line), "estimate")
        };
        assert_eq!(of(1), of(5), "{loss}");
    }
}

#[test]
fn weights_levels_and_dependent_columns() {
    let dir = Dir::new();
    let mut random = Random::new(8);
    let (mut short, mut long) = ("y,x,g,w,twin\n".to_owned(), "y,x,g,twin\n".to_owned());
    for _ in 0..80 {
        let (x, g) = (random.unit(), ["a", "b", "c"][random.below(3)]);
        let (y, w) = (2.0 * x + random.unit(), 1 + random.below(3));
        short += &format!("{y},{x},{g},{w},{}\n", 1.0 - 2.0 * x);
        (0..w).for_each(|_| long += &format!("{y},{x},{g},{}\n", 1.0 - 2.0 * x));
    }
    dir.write("short.csv", short);
    dir.write("long.csv", long);
    for loss in ["quantile --quantile 0.3", "huber --delta 0.4"] {
        let weighted = dir.fit(&format!(
            "short.csv -t y -f x,g,twin --loss {loss} --weights w --weight-type frequency --save-model m.json"
        ));
        let repeated = dir.fit(&format!("long.csv -t y -f x,g,twin --loss {loss}"));
        for field in ["estimate", "std_error"] {
            let pairs = column(&weighted, field).into_iter().zip(column(&repeated, field));
            for (own, wanted) in pairs {
                assert_eq!(own.is_some(), wanted.is_some());
                close(field, own.unwrap_or(0.0), wanted.unwrap_or(0.0), 1e-7);
            }
        }
        assert_eq!(weighted["aliased"][0]["term"], "twin", "{weighted:#}");
        assert_eq!(number(&weighted, "rank"), 4.0);
        // The saved model leaves the dependent column out as well.
        let evaluation = dir.streamreg("evaluate m.json long.csv --format json").success().json();
        close("RMSE", number(&evaluation, "rmse"), number(&repeated, "glance/rmse"), 1e-9);
    }
}

/// More than half of the residuals are rounding: nothing tells a density.
#[test]
fn no_standard_errors_where_the_fit_goes_through_most_rows() {
    let dir = Dir::new();
    dir.write("d.csv", "y,a,b,c\n1.3,0.4,1.1,0.7\n2.2,1.7,0.3,1.9\n0.8,0.2,2.6,0.5\n3.1,1.2,0.9,0.4\n2.7,2.1,1.4,1.2\n1.9,0.6,0.8,1.5\n");
    let outcome = dir.streamreg("fit d.csv 'y ~ a+b+c' --loss quantile").success();
    outcome.check(
        outcome.stdout.contains("No standard errors: half of the rows or more lie on the fit"),
        "the reason",
    );
}

/// Wide designs are minimised exactly while that is affordable: an estimate of what is left is no bound. The minimum is that of
/// HiGHS (scipy 1.17.1).
#[test]
fn many_columns_are_fitted_exactly() {
    let dir = Dir::new();
    let mut text = String::from("y,x,g\n");
    for row in 0..640 {
        let (level, x) = (row % 520, (row * 37 % 101) as f64 / 10.0);
        text += &format!("{},{x},g{level}\n", 2.0 * x + (level % 7) as f64 + (row % 3) as f64);
    }
    dir.write("d.csv", text);
    let report = dir.fit("d.csv 'y ~ x + g' --loss epsilon-insensitive --epsilon 0.1");
    assert_eq!(report["solver"]["used"], "interior-point");
    close("the minimum", number(&report, "exact/objective"), 0.212_009_803_921_568_37, 1e-9);
}

/// The nearer two columns are to each other, the less a sample shows of what tells them apart. What is called converged is near
/// the minimum all the same, and what depends entirely is said.
#[test]
fn nearly_dependent_columns_are_not_called_converged_too_early() {
    let (mut random, dir) = (Random::new(41), Dir::new());
    let x = random.vector(2_000);
    let (noise, e) = (random.vector(2_000), random.vector(2_000));
    let mut converged = 0;
    for power in [2, 4, 5, 6, 7, 9, 11] {
        let share = 10f64.powi(-power);
        let rows = x.iter().zip(&noise).zip(&e);
        let row =
            |((x, noise), e): ((&f64, &f64), &f64)| format!("{},{x},{}\n", x + noise + e, x + share * noise);
        dir.write("d.csv", "y,x,x2\n".to_owned() + &rows.map(row).collect::<String>());
        let least = number(&dir.fit("d.csv 'y ~ x + x2'"), "glance/mse");
        for solver in ["sgd", "gd --epochs 50", "cg", "sgd --learning-rate constant --eta0 0.1"] {
            let outcome =
                dir.streamreg(&format!("fit d.csv 'y ~ x + x2' --solver {solver} --format json")).run();
            let excess = number(&outcome.json(), "glance/mse") / least - 1.0;
            outcome.check([Some(0), Some(5)].contains(&outcome.code), "an end");
            if outcome.code == Some(0) {
                converged += 1;
                outcome.check(excess < 1e-4, &format!("{solver}, {share:e}: {excess:e} above the minimum"));
            }
        }
    }
    assert!(converged >= 10, "{converged} of 28 converged");
    dir.write(
        "d.csv",
        "y,x,x2\n".to_owned()
            + &x.iter().zip(&e).map(|(x, e)| format!("{},{x},{}\n", x + e, 2.0 * x)).collect::<String>(),
    );
    for solver in ["sgd", "gd"] {
        let outcome = dir.streamreg(&format!("fit d.csv 'y ~ x + x2' --solver {solver}")).success();
        outcome.check(outcome.stdout.contains("their coefficients are not unique"), "the warning");
    }
}

/// R's quantreg warns of these, too: "Solution may be nonunique".
#[test]
fn a_minimum_that_is_not_unique_is_said() {
    let dir = Dir::new();
    dir.write("d.csv", "y,g\n1,a\n2,a\n4,a\n8,a\n1,b\n2,b\n3,b\n");
    let said = |options: &str| {
        let outcome = dir.streamreg(&format!("fit d.csv {options} --loss quantile")).run().code(0);
        let json =
            dir.streamreg(&format!("fit d.csv {options} --loss quantile --format json")).run().code(0).json();
        let code = json["warnings"].as_array().unwrap().iter().any(|w| w["code"] == "not_unique");
        assert_eq!(code, outcome.stdout.contains("the minimum is not unique"), "{}", outcome.stdout);
        code
    };
    assert!(said("'y ~ g'"), "four rows of a");
    assert!(said("'y ~ 1' --where \"g = 'a'\""));
    assert!(!said("'y ~ 1'"), "seven rows");
    assert!(!said("'y ~ g' --quantile 0.3"));
    assert!(said("'y ~ g' --quantile 0.25"), "a quarter of four");
}

#[test]
fn perfect_fits_are_called_so() {
    let dir = Dir::new();
    for centre in [0.0, 1e6] {
        let rows = (1..9).map(|i| format!("{},{i},{}\n", centre + 3.3 * f64::from(i), i * i % 5));
        dir.write("d.csv", "y,x,z\n".to_owned() + &rows.collect::<String>());
        for loss in ["huber", "quantile"] {
            let table = dir.streamreg(&format!("fit d.csv 'y ~ x + z' --loss {loss}")).run().code(0).stdout;
            assert!(table.contains("Warning: essentially perfect fit"), "{loss}, {centre}: {table}");
        }
    }
    dir.write("d.csv", "y,x\n1,1\n2,2\n3,3\n4.001,4\n5,5\n");
    let table = dir.streamreg("fit d.csv 'y ~ x' --loss huber").success().stdout;
    assert!(!table.contains("perfect"), "{table}");
}

/// The least loss, and whether other coefficients have it, by trying all vertices in rational numbers.
#[test]
fn a_minimum_is_called_not_unique_where_it_is_not() {
    let golden = golden_json("unique/expected.json");
    for (index, case) in golden["cases"].as_array().unwrap().iter().enumerate() {
        let (y, rows) = (list(&case["y"]), case["x"].as_array().unwrap());
        let mut columns: Table = vec![("y".into(), y)];
        for j in 0..rows[0].as_array().unwrap().len() {
            columns.push((format!("x{j}"), rows.iter().map(|row| row[j].as_f64().unwrap()).collect()));
        }
        let loss = Loss::Quantile { tau: case["tau"].as_f64().unwrap() };
        let features: String = columns[1..].iter().map(|(name, _)| format!(" + {name}")).collect();
        let asked = Regression::formula(format!("y ~ 1{features}")).descent(Descent::new().loss(loss));
        let report = fit(&asked, &columns);
        let said = report.warnings.iter().any(|w| w.code == "not_unique");
        assert_eq!(said, !case["unique"].as_bool().unwrap(), "case {index}: {case}");
        let own = report.exact().unwrap().mean_loss;
        let wanted = case["loss"].as_f64().unwrap();
        assert!((own - wanted).abs() <= 1e-12 * wanted.max(1.0), "case {index}: {own}, {wanted}");
    }
}
