//! Row expressions: derived columns and filters in SQL, on the batches of any source.
//!
//! | module | what it knows |
//! |---|---|
//! | `expressions` | [`Expressions`]: a source with derived columns and a filter |
//! | `syntax` | from text to a tree; errors that point at a character |
//! | `bind` | from a syntax tree to a `Node`: columns are found, types settled, constants computed |
//! | `node`, `kind`, `calls` | what there is to compute, of which type, by which functions |
//! | `evaluate` | the values of a node for the rows of a batch |
//! | `column`, `convert` | columns while they are computed with, and as Arrow has them |
//! | `calendar`, `like`, `members` | dates and times; patterns of text; lists of `IN` |
//! | `known` | what a filter's statistics can tell: from a node to a [`Predicate`](crate::Predicate) |
//!
//! # Who does what
//! Reading stays with the source underneath: its order, its memory, its counts, its errors. An expression is compiled
//! once, when it is given; batches are evaluated where they are decoded.
//!
//! # The SQL
//! `AND`, `OR`, `NOT`, comparisons, `IN`, `BETWEEN`, `LIKE`, `IS NULL`, `IS TRUE`, `IS DISTINCT FROM`, arithmetic,
//! `CASE`, `CAST`, `COALESCE`, `EXTRACT` and the functions of numbers, text and dates that `calls` lists. Text stands in
//! single quotes, names with blanks in double quotes. What needs more than one row (`SUM`, `ROW_NUMBER`, subqueries) is
//! refused. Where the standard leaves room, the semantics are DuckDB's:
//! - Logic has three values. A NaN equals itself and is greater than every number.
//! - Integers have 64 bits, decimals 38 digits and all their places; what is beyond is an error and never wraps around.
//!   `/` gives a floating-point number, `//` divides integers.
//! - A text literal takes the type of what it stands beside: `day >= '2024-02-29'`.
//! - `CASE` and `COALESCE` compute what a row needs and no more; `AND` and `OR` compute both sides.
//!
//! Three things are our own. A length of time is its number of seconds: `dropoff - pickup > 3600`. Beside a timestamp
//! with a zone, a text or timestamp without one is the time of day there. And what DuckDB does silently is refused: an
//! offset from UTC in a text beside a column without a zone, `//` of numbers that are not whole, a date in another
//! order than ISO's, a comparison of a comparison. An expression may nest 250 deep, and make 256 MiB of text of a batch.

mod bind;
mod calendar;
mod calls;
mod column;
mod convert;
mod evaluate;
mod expressions;
mod kind;
mod known;
mod like;
mod members;
mod node;
mod syntax;

pub use self::expressions::Expressions;

use crate::error::Result;

/// Those of the derived columns `with` that are needed to compute the columns `wanted` and the filter, in their
/// order. What they are computed from need not exist.
///
/// # Errors
/// [`ErrorKind::Request`](crate::ErrorKind::Request) for an expression that is not valid.
pub fn needed(
    with: &[(String, String)],
    filter: Option<&str>,
    wanted: impl IntoIterator<Item = String>,
) -> Result<Vec<(String, String)>> {
    let mut names: Vec<String> = wanted.into_iter().collect();
    syntax::with_room(|| {
        if let Some(filter) = filter {
            syntax::Text(filter).parse()?.columns(&mut names);
        }
        let mut needed = Vec::new();
        // From the last to the first: each is computed from what comes before it.
        for (name, text) in with.iter().rev() {
            if names.contains(name) {
                syntax::Text(text).parse()?.columns(&mut names);
                needed.push((name.clone(), text.clone()));
            }
        }
        needed.reverse();
        Ok(needed)
    })
}
