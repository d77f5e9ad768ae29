use super::*;
#[test]
fn explore() {
    let columns = ["y","a","b","c"].map(String::from);
    for text in std::fs::read_to_string("/tmp/formulas.txt").unwrap().lines() {
        match Formula::parse(text) {
            Err(e) => println!("ERR {e}"),
            Ok(f) => match f.expand(&columns) { Ok(e) => println!("OK  {text}   ==>  {f}   ==>  {e}"), Err(e) => println!("EXP {e}") },
        }
    }
}
