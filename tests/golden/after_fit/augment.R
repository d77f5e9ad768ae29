# The statistics of rows by R 4.2, plain and with weights: Rscript augment.R in this folder writes r_longley.csv.
d <- read.csv("longley.csv")
rows <- function(fit) {
  i <- lm.influence(fit)
  data.frame(fitted = fitted(fit), se.fit = predict(fit, se.fit = TRUE)$se.fit, resid = d$totemp - fitted(fit), hat = i$hat,
             sigma = i$sigma, cooksd = cooks.distance(fit), std.resid = rstandard(fit))
}
f <- totemp ~ gnpdefl + gnp + unemp + armed + pop + year
out <- cbind(plain = rows(lm(f, d)), weighted = rows(lm(f, d, weights = w)))
write.csv(format(out, digits = 17), "r_longley.csv", row.names = FALSE, quote = FALSE)
