//! Names, factors, and what needs no data.

use super::*;

#[test]
fn kinds_read_back() {
    for text in ["iid", "hc0", "hc1", "hc2", "hc3", "hac:0", "hac:12", "cr0", "cr1", "cr3"] {
        assert_eq!(text.parse::<Vcov>().unwrap().to_string(), text);
    }
    assert!("hc4".parse::<Vcov>().unwrap_err().contains("hc3, hac:L"));
    assert!("hac:-1".parse::<Vcov>().unwrap_err().contains("whole number"));
}

#[test]
fn small_sample_choices() {
    let plain = SmallSample::default();
    assert_eq!(plain.of_rows(Vcov::Hc0, 10.0, 2.0), 1.0);
    assert_eq!(plain.of_rows(Vcov::Hc1, 10.0, 2.0), 1.25);
    assert_eq!(plain.of_rows(Vcov::Hac(3), 10.0, 2.0), 1.25);
    assert_eq!(plain.of_clusters(Vcov::Cr0, 5, 10.0, 2.0), 1.0);
    assert_eq!(plain.of_clusters(Vcov::Cr1, 5, 10.0, 2.0), 1.25 * (9.0 / 8.0));
    assert_eq!(plain.of_clusters(Vcov::Cr3, 5, 10.0, 2.0), 0.8);
    let none: SmallSample = "none, each".parse().unwrap();
    assert!(none.each && !none.factor);
    assert_eq!(none.of_rows(Vcov::Hac(3), 10.0, 2.0), 1.0);
    assert_eq!(none.of_clusters(Vcov::Cr1, 5, 10.0, 2.0), 1.0);
    assert!("some".parse::<SmallSample>().unwrap_err().contains("jackknife-mean"));
}

#[test]
fn a_difference_of_variances_may_be_none() {
    let plain = Meat { values: vec![-1e-20], added: None, decisive: 0, noise: 0.0 };
    assert_eq!(plain.variance(&[1.0]), Some(0.0));
    for (value, wanted) in [(0.5, Some(0.5)), (0.0, None), (-0.5, None), (1e-15, None)] {
        let meat = Meat { values: vec![value], added: Some(vec![1.0]), decisive: 0, noise: 0.0 };
        assert_eq!(meat.variance(&[1.0]), wanted);
    }
}
