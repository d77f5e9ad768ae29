//! `--query`: SQL over several files as the input of a fit. Needs the cargo feature `polars`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "tests")]

use std::path::Path;
use std::process::{Command, Output};

fn streamreg(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_streamreg")).current_dir(folder).args(args).output().unwrap()
}

fn write(folder: &Path) {
    let (mut orders, mut customers, mut joined) =
        ("id,amount,price\n".to_owned(), "id,age\n".to_owned(), "amount,price,age\n".to_owned());
    for id in 0..100 {
        let age = 20 + id * 37 % 60;
        customers += &format!("{id},{age}\n");
        for order in 0..3 {
            let price = (id * 7 + order * 11) % 23;
            orders += &format!("{id},{},{price}\n", 3 * price + id % 13);
            joined += &format!("{},{price},{age}\n", 3 * price + id % 13);
        }
    }
    for (name, text) in [("orders.csv", orders), ("customers.csv", customers), ("joined.csv", joined)] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

#[test]
fn a_query_has_the_coefficients_of_the_joined_file() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    let sql = "SELECT o.amount, o.price, c.age FROM orders o JOIN customers c ON o.id = c.id";
    let query = ["fit", "orders.csv", "customers.csv", "--query", sql, "-t", "amount", "--format", "tidy"];
    let query = streamreg(folder.path(), &query);
    let joined = streamreg(folder.path(), &["fit", "joined.csv", "-t", "amount", "--format", "tidy"]);
    assert!(query.status.success(), "{}", String::from_utf8_lossy(&query.stderr));
    assert_eq!(String::from_utf8_lossy(&query.stdout), String::from_utf8_lossy(&joined.stdout));
    let more = ["--where", "age > 40", "--with", "p2 = price * 2", "-f", "p2,age"];
    let query = streamreg(
        folder.path(),
        &[
            &["fit", "orders.csv", "customers.csv", "--query", sql, "-t", "amount", "--format", "tidy"][..],
            &more,
        ]
        .concat(),
    );
    let joined = streamreg(
        folder.path(),
        &[&["fit", "joined.csv", "-t", "amount", "--format", "tidy"][..], &more].concat(),
    );
    assert_eq!(String::from_utf8_lossy(&query.stdout), String::from_utf8_lossy(&joined.stdout));
}

#[test]
fn what_cannot_be_queried_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path());
    for (args, words) in [
        (vec!["--query", "SELECT * FROM nothing"], "the tables are orders"),
        (vec!["--query", "SELECT amount FROM orders", "--delimiter", ";"], "--delimiter"),
    ] {
        let line = [&["fit", "orders.csv", "-t", "amount"][..], &args].concat();
        let output = streamreg(folder.path(), &line);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!((output.status.code(), message.contains(words)), (Some(2), true), "{message}");
    }
}
