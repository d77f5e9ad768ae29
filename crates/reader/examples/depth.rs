#![allow(missing_docs, clippy::all, clippy::unwrap_used, clippy::print_stdout)]
use std::sync::Arc;
fn main(){
    let n: usize = std::env::args().nth(1).unwrap().parse().unwrap();
    let step = std::env::args().nth(2).unwrap();
    std::thread::Builder::new().stack_size(2<<20).spawn(move || {
    let t = (0..n).map(|i| format!("x = {i}")).collect::<Vec<_>>().join(" or ");
    let e = polars::sql::sql_expr(&t).unwrap(); println!("parsed");
    if step == "parse" { std::mem::forget(e); return; }
    let p = std::env::temp_dir().join("depth.csv"); std::fs::write(&p, "x\n1\n2\n").unwrap();
    let d = streamreg_reader::Dataset::open(&[p], &Default::default()).unwrap();
    let s = streamreg_reader::polars::Expressions::new(Box::new(d), &[], Some(&t)).unwrap(); println!("compiled");
    use streamreg_reader::Source;
    let scan = s.scan(&streamreg_reader::ScanRequest::new(["x"])).unwrap();
    let n: usize = scan.next_partition().unwrap().unwrap().batches.map(|b| b.unwrap().num_rows()).sum();
    println!("read {n}");
    let _ = Arc::new(1);
    }).unwrap().join().unwrap();
}
