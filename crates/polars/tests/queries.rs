//! SQL over several files.

use std::path::Path;

use streamreg::Regression;
use streamreg_reader::{Error, ErrorKind, Source};

/// Orders and customers, and the two joined by hand.
fn write(folder: &Path) {
    let (mut orders, mut customers, mut joined) =
        ("id,amount,price\n".to_owned(), "id,age\n".to_owned(), "amount,price,age\n".to_owned());
    for id in 0..200 {
        customers += &format!("{id},{}\n", 20 + id * 37 % 60);
        for order in 0..3 {
            let price = (id * 7 + order * 11) % 23;
            let amount = 3 * price + id % 13;
            orders += &format!("{id},{amount},{price}\n");
            joined += &format!("{amount},{price},{}\n", 20 + id * 37 % 60);
        }
    }
    std::fs::write(folder.join("orders.csv"), orders).unwrap();
    std::fs::write(folder.join("customers.csv"), customers).unwrap();
    std::fs::write(folder.join("joined.csv"), joined).unwrap();
}

#[test]
fn joined_files_have_the_fit_of_the_joined_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let regression = Regression::new("amount").features(["price", "age"]);
    let expected = regression.fit_paths(&[folder.path().join("joined.csv")]).unwrap();
    let files = [folder.path().join("orders.csv"), folder.path().join("customers.csv")];
    let sql = "SELECT o.amount, o.price, c.age FROM orders o JOIN customers c ON o.id = c.id";
    let source = streamreg_polars::query(sql, &files).unwrap();
    assert_eq!(source.inputs().len(), 2);
    let report = regression.fit_source(&source).unwrap();
    for term in ["(Intercept)", "price", "age"] {
        assert_eq!(report.estimate(term), expected.estimate(term), "{term}");
    }
}

#[test]
fn tables_can_be_named() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let named = format!("t={}", folder.path().join("orders.csv").display());
    let source = streamreg_polars::query("SELECT amount, price FROM t WHERE price > 3", &[named]).unwrap();
    assert_eq!(source.schema().fields().len(), 2);
}

#[test]
fn queries_that_cannot_be_run_say_why() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let orders = folder.path().join("orders.csv");
    let error = |sql: &str, files: &[&Path]| -> Error { streamreg_polars::query(sql, files).err().unwrap() };
    let unknown = error("SELECT * FROM nothing", &[&orders]);
    assert_eq!(unknown.kind(), ErrorKind::Request);
    assert!(unknown.to_string().contains("the tables are orders"), "{unknown}");
    assert!(error("SELECT", &[&orders]).to_string().contains("cannot be planned"));
    assert!(error("SELECT 1", &[&orders, &orders]).to_string().contains("NAME="));
    assert_eq!(error("SELECT 1", &[&folder.path().join("none.csv")]).kind(), ErrorKind::Io);
    std::fs::write(folder.path().join("a.xlsx"), "").unwrap();
    assert_eq!(error("SELECT 1", &[&folder.path().join("a.xlsx")]).kind(), ErrorKind::Unsupported);
}
