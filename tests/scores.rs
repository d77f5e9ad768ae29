//! The second pass of robust standard errors, in parts: the scores of rows for a fit from a state.

use streamreg::{Batches, Error, Execution, Precision, Regression, Scores, Vcov, WeightType};

use crate::robust::{rows, same_errors};
use crate::util::{Random, Table, batch};

/// Rows of a table, from one to the next.
fn part(table: &Table, from: usize, to: usize) -> Batches {
    let cut = table.iter().map(|(name, values)| (name.clone(), values[from..to].to_vec()));
    let batch = batch(&cut.collect::<Table>());
    Batches::new(batch.schema(), vec![batch])
}

/// A table, cut at random, shuffled.
fn parts(table: &Table, count: usize, random: &mut Random) -> Vec<Batches> {
    let n = table[0].1.len();
    let mut cuts: Vec<usize> = (0..count - 1).map(|_| 1 + random.below(n - 1)).collect();
    cuts.extend([0, n]);
    cuts.sort_unstable();
    cuts.dedup();
    let mut parts: Vec<Batches> = cuts.windows(2).map(|cut| part(table, cut[0], cut[1])).collect();
    for at in (1..parts.len()).rev() {
        parts.swap(at, random.below(at + 1));
    }
    parts
}

fn scored(fit: &Regression, parts: &[Batches]) -> Result<Scores, Error> {
    let (none, execution) = (fit.scores()?.unwrap(), Execution::default());
    let sent = none.to_bytes()?;
    parts.iter().try_fold(none, |all, part| {
        let there = Scores::from_bytes(&sent)?.sum(part, &execution)?.to_bytes()?;
        all.merge(Scores::from_bytes(there)?)
    })
}

#[test]
fn parts_have_the_errors_of_all_rows() {
    let model = || Regression::formula("y ~ x1 + x2 + C(h)");
    let models = [
        model().vcov(Vcov::Hc0),
        model().vcov(Vcov::Hc1),
        model().vcov(Vcov::Hc2),
        model().vcov(Vcov::Hc3).weights("w", WeightType::Analytic),
        model().weights("w", WeightType::Probability),
        model().vcov(Vcov::Hc1).weights("w", WeightType::Frequency),
        model().cluster(["g"]).test("x1 = x2"),
        model().cluster(["g", "h"]),
        model().cluster(["h"]).ssc("nested".parse().unwrap()),
        model().cluster(["g"]).vcov(Vcov::Cr3),
        Regression::formula("y ~ x1 + x2 + near").with("near", "x1 + x2 / 1000000").vcov(Vcov::Hc1),
    ];
    for (seed, asked) in models.into_iter().enumerate() {
        let (table, mut random) = (rows(400, seed as u64), Random::new(seed as u64));
        let direct = asked.clone().precision(Precision::Exact);
        let direct = direct.fit_source(&part(&table, 0, 400)).unwrap();
        let parts = parts(&table, 6, &mut random);
        let mut states = parts.iter().map(|part| asked.sum_source(part, None).unwrap());
        let first = states.next().unwrap();
        let state = states.fold(first, |all, state| all.merge(state).unwrap());
        let fit = asked.starting_from(state.into()).of_its_model();
        let report = fit.clone().with_scores(scored(&fit, &parts).unwrap()).fit_state().unwrap();
        same_errors(&report, &direct, 1e-9);
        assert_eq!(report.vcov, direct.vcov, "{seed}");
        assert_eq!(report.tests.len(), direct.tests.len());
        assert!(
            report.warnings.iter().map(|w| &w.code).eq(direct.warnings.iter().map(|w| &w.code)),
            "{seed}"
        );
    }
}

#[test]
fn scores_of_other_rows_or_fits_are_refused() {
    let table = rows(100, 1);
    let (all, some) = (part(&table, 0, 100), part(&table, 0, 30));
    let model = |formula: &str| {
        let state = Regression::formula(formula).sum_source(&all, None).unwrap();
        Regression::of_state(state)
    };
    let robust = model("y ~ x1 + x2").vcov(Vcov::Hc1);
    let whole = scored(&robust, &[part(&table, 0, 100)]).unwrap();
    let refused = |fit: Regression, scores: &Scores, words: &str| {
        let message = fit.with_scores(scores.clone()).fit_state().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    refused(robust.clone(), &scored(&robust, &[some]).unwrap(), "in the scores 30 of 30");
    refused(robust.clone().vcov(Vcov::Hc3), &whole, "another fit");
    refused(model("y ~ x1").vcov(Vcov::Hc1), &whole, "another model: the terms differ");
    refused(model("y ~ x1 + x2"), &whole, "no effect");
    refused(robust.clone().vcov(Vcov::Hac(2)), &whole, "order of time");
    assert!(model("y ~ x1").scores().unwrap().is_none());
    assert!(robust.clone().vcov(Vcov::Hac(2)).scores().unwrap_err().to_string().contains("order of time"));
    let other = scored(&model("y ~ x1").vcov(Vcov::Hc1), &[part(&table, 0, 100)]).unwrap();
    assert!(whole.clone().merge(other).unwrap_err().to_string().contains("different fits"));
    assert_eq!(robust.with_scores(whole).fit_state().unwrap().vcov.kind, Vcov::Hc1);
}

/// The counts of rows agree, and nothing else need.
#[test]
fn rows_that_are_others_are_refused_though_there_are_as_many() {
    let table = rows(100, 2);
    let all = part(&table, 0, 100);
    let refused = |fit: Regression, scores: Scores, words: &str| {
        let message = fit.with_scores(scores).fit_state().unwrap_err().to_string();
        assert!(message.contains(words), "{message}");
    };
    let of = |asked: &Regression| {
        let state = asked.sum_source(&all, None).unwrap();
        asked.clone().starting_from(state.into()).of_its_model()
    };
    let scores = |fit: &Regression| scored(fit, &[part(&table, 0, 100)]).unwrap();
    let model = || Regression::formula("y ~ x1 + x2");
    let (by_g, by_h) = (of(&model().cluster(["g"])), of(&model().cluster(["h"])));
    refused(by_g.clone(), scores(&by_h), "another model: clusters differs");
    let (both, swapped) = (of(&model().cluster(["g", "h"])), of(&model().cluster(["h", "g"])));
    refused(both, scores(&swapped), "another model: clusters differs");
    let robust = model().vcov(Vcov::Hc1);
    let weighted = of(&robust.clone().weights("w", WeightType::Analytic));
    refused(of(&robust), scores(&weighted), "another model: weights differs");
    refused(of(&robust), scores(&of(&robust.clone().filter("g >= 0"))), "another model: the filters differ");
    let half_twice = scored(&of(&robust), &[part(&table, 0, 50), part(&table, 0, 50)]).unwrap();
    refused(of(&robust), half_twice, "not the rows of the sums");
}

#[test]
fn damaged_scores_are_refused() {
    let table = rows(60, 3);
    let all = part(&table, 0, 60);
    let clustered = Regression::formula("y ~ x1 + C(h)").cluster(["g", "h"]);
    let state = clustered.sum_source(&all, None).unwrap();
    let whole =
        scored(&clustered.starting_from(state.into()).of_its_model(), &[all]).unwrap().to_bytes().unwrap();
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        assert!(Scores::from_bytes(&damaged).is_err(), "byte {at}");
        assert!(Scores::from_bytes(&whole[..at]).is_err(), "{at} bytes");
    }
    assert_eq!(Scores::from_bytes(&whole).unwrap().rows_used(), 60);
}
