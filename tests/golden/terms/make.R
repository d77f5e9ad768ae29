# Golden values for terms of formulas: writes cases.json.
#
# usage: Rscript make.R        (in this folder; R 4.2.2 with its own packages stats and splines)
#
# Every case is an lm() on flights.csv.gz or on a data set of statsmodels. R-squared and F are those of the response less
# the offset, as summary.lm has them since it subtracts offsets (R 4.2.2 does not). `new` are rows beside the data, also
# beyond the boundary knots, and what predict() says of them.
library(splines)

files <- list(
  "flights.csv.gz" = read.csv(gzfile("../flights.csv.gz"), stringsAsFactors = FALSE),
  "reference/rdatasets_stackloss.csv" = read.csv("../reference/rdatasets_stackloss.csv"),
  "reference/ccard.csv" = read.csv("../reference/ccard.csv")
)
stack <- "reference/rdatasets_stackloss.csv"
card <- "reference/ccard.csv"
flights <- "flights.csv.gz"

numbers <- function(x) paste0("[", paste(ifelse(is.na(x), "null", sprintf("%.17g", x)), collapse = ", "), "]")
text <- function(x) paste0("\"", gsub("\"", "\\\\\"", x), "\"")

# formula: as streamreg reads it; r: as R does, where that differs.
case <- function(id, data, formula, r = formula, new = NULL, weights = NULL) {
  frame <- files[[data]]
  model <- as.formula(r)
  frame$case_weights <- if (is.null(weights)) 1 else frame[[weights]]
  fit <- lm(model, frame, weights = case_weights)
  table <- summary(fit)$coefficients
  estimate <- unname(coef(fit))
  errors <- rep(NA, length(estimate))
  errors[!is.na(estimate)] <- unname(table[, 2])
  y <- model.response(model.frame(fit)) - if (is.null(fit$offset)) 0 else fit$offset
  v <- fit$weights
  rss <- sum(v * residuals(fit)^2)
  centre <- if (attr(terms(fit), "intercept")) sum(v * y) / sum(v) else 0
  r2 <- 1 - rss / sum(v * (y - centre)^2)
  fields <- c(
    sprintf("\"id\": %s, \"data\": %s, \"formula\": %s, \"r\": %s", text(id), text(data), text(formula), text(r)),
    if (!is.null(weights)) sprintf("\"weights\": %s", text(weights)),
    sprintf("\"nobs\": %d, \"rank\": %d, \"sigma\": %.17g, \"r_squared\": %.17g", length(y), fit$rank, sigma(fit), r2),
    sprintf("\"names\": [%s]", paste(text(names(coef(fit))), collapse = ", ")),
    sprintf("\"estimate\": %s", numbers(estimate)),
    sprintf("\"std_error\": %s", numbers(errors))
  )
  if (!is.null(new)) {
    predicted <- suppressWarnings(predict(fit, new))
    columns <- paste(sprintf("%s: %s", text(names(new)), sapply(new, numbers)), collapse = ", ")
    fields <- c(fields, sprintf("\"new\": {%s}", columns), sprintf("\"predicted\": %s", numbers(predicted)))
  }
  paste0("  {", paste(fields, collapse = ",\n   "), "}")
}

ages <- data.frame(age = c(10, 21, 30, 37, 54.5, 70), income = c(1, 2, 3, 4, 5, 12), ownrent = c(0, 1, 0, 1, 0, 1))
cases <- c(
  case("nested", flights, "arr_delay ~ origin/dep_delay"),
  case("nested-categories", flights, "arr_delay ~ origin/C(month)", "arr_delay ~ origin/factor(month)"),
  case("nested-both", flights, "arr_delay ~ (origin + I(hour > 12))/dep_delay",
       "arr_delay ~ (origin + I(hour > 12))/dep_delay"),
  case("within", flights, "arr_delay ~ origin + dep_delay %in% origin"),
  case("codings", flights,
       "arr_delay ~ C(origin, Treatment(\"JFK\")) + C(month, Sum) + factor(day) + dep_delay",
       "arr_delay ~ relevel(factor(origin), \"JFK\") + C(factor(month), contr.sum) + factor(day) + dep_delay"),
  case("codings-crossed", flights,
       "arr_delay ~ C(origin, Sum)*dep_delay + relevel(carrier, ref='UA')",
       "arr_delay ~ C(factor(origin), contr.sum)*dep_delay + relevel(factor(carrier), ref='UA')"),
  case("conditions", flights, "arr_delay ~ I(distance > 1000)*I(hour >= 6 & !(hour > 12 | month == 7)) + dep_delay"),
  case("condition-alone", flights, "arr_delay ~ 0 + I(distance > 1000) + dep_delay"),
  case("choice", flights, "arr_delay ~ ifelse(distance > 1000, log(distance, 2), 0) + ifelse(month == 1 | month > 10, 1, 2)"),
  case("functions", flights,
       "log10(distance) ~ sin(dep_time) + cos(hour/3) + tan(month) + round(air_time, -1) + round(dep_delay/7, 1) + log(air_time, 7)"),
  case("more-functions", flights,
       "sqrt(distance) ~ floor(air_time/7) + ceiling(dep_delay/7) + trunc(dep_delay/7) + sign(dep_delay) + atan(dep_delay) + tanh(dep_delay/20) + expm1(month/12) + I(dep_delay > 0)"),
  case("poly-degree", card, "avgexp ~ poly(age, degree=2) + poly(income, degree=2, raw=T)"),
  case("offset", card, "avgexp ~ age + I(income^2) + offset(income*20)", new = ages),
  case("offsets-weighted", card, "avgexp ~ 0 + age + offset(income*20) + offset(log(age))", weights = "w", new = ages),
  case("offset-stackloss", stack, "stack.loss ~ Air.Flow + offset(Water.Temp)"),
  case("bs", card, "avgexp ~ bs(age, knots=c(28, 35), Boundary.knots=c(20, 56)) + ownrent", new = ages),
  case("bs-degree", card, "avgexp ~ bs(log(income), degree=1, knots=c(0.9, 1.4), Boundary.knots=c(0, 3)) + ownrent",
       new = ages),
  case("bs-intercept", card, "avgexp ~ 0 + bs(age, knots=c(35, 28, 28), degree=2, intercept=TRUE, Boundary.knots=c(20, 56))",
       new = ages),
  case("bs-plain", card, "avgexp ~ bs(age, Boundary.knots=c(20, 56)):income", new = ages),
  case("ns", card, "avgexp ~ ns(age, knots=c(28, 35), Boundary.knots=c(22, 50)) + ownrent", new = ages),
  case("ns-intercept", card, "avgexp ~ 0 + ns(income, knots=3, intercept=TRUE, Boundary.knots=c(2, 6)) + ownrent", new = ages),
  case("ns-stackloss", stack, "stack.loss ~ ns(Air.Flow, knots=c(58, 62), Boundary.knots=c(50, 80)) + Water.Temp"),
  case("bs-flights", flights,
       "arr_delay ~ bs(distance, knots=c(500, 1000, 2000), Boundary.knots=c(0, 5000)) + ns(dep_time, knots=c(800, 1200, 1700), Boundary.knots=c(500, 2300)):origin + dep_delay")
)
writeLines(c("{\"note\": \"Made by make.R with R 4.2.2: lm, and bs and ns of its package splines.\",", " \"cases\": [",
             paste(cases, collapse = ",\n"), "]}"), "cases.json")
