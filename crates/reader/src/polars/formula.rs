//! An expression, compiled once, evaluated on every batch.

use std::sync::Arc;

use arrow_schema::{DataType, Schema};
use polars::prelude as pl;
use polars::prelude::{Expr, IntoLazy};
use polars_expr::prelude::{ExecutionState, PhysicalExpr};
use polars_expr::{ExpressionConversionState, create_physical_expr};
use polars_plan::plans::{IR, is_elementwise_rec};

use super::bridge::{arrow_type, polars_type};
use super::{failed, quiet, sql};
use crate::error::{Error, ErrorKind, Result};

/// A compiled expression.
pub(super) struct Formula {
    /// As it was written, for messages.
    pub(super) text: String,
    /// Columns that it reads, each once.
    pub(super) inputs: Vec<String>,
    /// As polars sees it before it is compiled.
    pub(super) expr: Expr,
    /// The type of its values, in both libraries.
    pub(super) polars: pl::DataType,
    pub(super) kind: DataType,
    compiled: Arc<dyn PhysicalExpr>,
}

impl Formula {
    /// Parses and compiles `text` for the columns of `schema`.
    pub(super) fn new(text: &str, schema: &Schema) -> Result<Self> {
        let expr = sql::parse(text, schema)?;
        quiet(|| Self::compile(text, expr, schema))
    }

    fn compile(text: &str, expr: Expr, schema: &Schema) -> Result<Self> {
        let mut inputs: Vec<String> = Vec::new();
        for node in &expr {
            if let Expr::Column(name) = node
                && !inputs.iter().any(|known| known == name.as_str())
            {
                inputs.push(name.to_string());
            }
        }
        let types = |name: &String| {
            let kind = schema.field_with_name(name).ok().and_then(|field| polars_type(field.data_type()));
            kind.map(|kind| pl::Field::new(name.as_str().into(), kind))
        };
        let mut fields: pl::Schema = inputs.iter().filter_map(types).collect();
        let invalid = |e: &pl::PolarsError| sql::not_valid(text, e);
        // Names that no input has. A constant needs some column beside it to be a column.
        let (name, other) = (inputs.concat() + "=", inputs.concat() + "==");
        fields.with_column(other.as_str().into(), pl::DataType::Boolean);
        let fields = Arc::new(fields);
        // The optimiser settles the types of literals; that of a plan with this one column does no more.
        let plan = pl::DataFrame::empty_with_schema(&fields)
            .lazy()
            .without_optimizations()
            .with_type_coercion(true)
            .with_type_check(true)
            .with_simplify_expr(true)
            .with_columns([expr.clone().alias(name.as_str())])
            .to_alp_optimized()
            .map_err(|e| invalid(&e))?;
        let (IR::HStack { exprs, schema: output, .. }, mut arena) =
            (plan.lp_arena.get(plan.lp_top).clone(), plan.expr_arena)
        else {
            return Err(Error::new(
                ErrorKind::Unsupported,
                format!("{text:?} cannot be evaluated by batches"),
            ));
        };
        let ([column], Some(polars)) = (exprs.as_slice(), output.get(name.as_str())) else {
            return Err(Error::new(ErrorKind::Unsupported, format!("{text:?} is not a single column")));
        };
        if !is_elementwise_rec(column.node(), &arena) {
            return Err(sql::needs_other_rows(text, "a function of several rows"));
        }
        let Some(kind) = arrow_type(polars) else {
            let message = format!("{text:?} has the type {polars}, which cannot be delivered");
            return Err(
                Error::new(ErrorKind::Request, message).with_help("CAST (… AS …) gives it another one")
            );
        };
        let mut state = ExpressionConversionState::new(false);
        let compiled =
            create_physical_expr(column, &mut arena, &fields, &mut state).map_err(|e| invalid(&e))?;
        let formula = Self { text: text.to_owned(), inputs, expr, polars: polars.clone(), kind, compiled };
        // Types that do not go together, and constants that cannot be computed, show themselves without data.
        let nothing = pl::DataFrame::empty_with_schema(&fields);
        let tried = formula.evaluate(&nothing, &ExecutionState::new());
        tried.map_err(|e| Error::new(ErrorKind::Request, e.to_string()))?;
        Ok(formula)
    }

    /// The value for each row of `frame`, which has the inputs.
    pub(super) fn evaluate(&self, frame: &pl::DataFrame, state: &ExecutionState) -> Result<pl::Column> {
        let column = self.compiled.evaluate(frame, state).map_err(|e| {
            let error = failed(&e);
            Error::new(error.kind(), format!("{:?} cannot be computed: {error}", self.text))
        })?;
        let column = match column.len() {
            length if length == frame.height() => column,
            1 => column.new_from_index(0, frame.height()),
            length => {
                let message = format!("{:?} has {length} values for {} rows", self.text, frame.height());
                return Err(Error::new(ErrorKind::Expression, message));
            }
        };
        if column.dtype() != &self.polars {
            let message = format!("{:?} is {} here, and {} at first", self.text, column.dtype(), self.polars);
            return Err(Error::new(ErrorKind::Expression, message));
        }
        Ok(column)
    }
}
